"""What a run and a comparison report while they go on: typed events, one JSON line each."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from explorer.catalogue.record import Record


class Loading(Record):
    """Something slow is being made ready."""

    kind: Literal["loading"] = "loading"
    time: float  # seconds since the epoch, here and in every event of a run
    what: str


class Started(Record):
    """Training begins: what trains, on what."""

    kind: Literal["started"] = "started"
    time: float
    trainable: int
    total: int
    device: str
    precision: str
    threads: int
    rows: int
    longest_row: int  # tokens
    forecast: dict[str, Any] = Field(default_factory=dict)  # trainable, bytes, terms, notes


class Step(Record):
    """One optimizer step. The loss is the mean over answer tokens of the batch, in nats."""

    kind: Literal["step"] = "step"
    time: float
    step: int
    loss: float
    learning_rate: float
    gradient_norm: float  # before clipping
    tokens_per_second: float  # tokens of prompt and answer, of this step alone
    eta_seconds: float
    memory_bytes: int
    gates: dict[str, float] = Field(
        default_factory=dict
    )  # mean |gate| by layer, where the method has gates


class Planned(Record):
    """How many steps there will be: decided from the pace of the first ones."""

    kind: Literal["planned"] = "planned"
    time: float
    steps: int
    seconds_per_step: float


class Watched(Record):
    """A look at the loss of some held-out rows while training goes on."""

    kind: Literal["watch"] = "watch"
    time: float
    step: int
    loss: float  # nats an answer token
    rows: int


class Example(Record):
    """One held-out prompt with its answer."""

    prompt: str
    expected: str
    answer: str
    score: float


class Evaluated(Record):
    """The held-out rows answered greedily and scored. `when` is before training means the base."""

    kind: Literal["eval"] = "eval"
    time: float
    when: Literal["before", "during", "after"]
    step: int
    metric: str
    value: float
    low: float  # 95 % interval
    high: float
    heldout_loss: float
    rows: int
    seconds: float
    examples: tuple[Example, ...] = ()


class Probed(Record):
    """What is still known of things that training was not about (see explorer.lab.probe)."""

    kind: Literal["probe"] = "probe"
    time: float
    when: Literal["before", "after"]
    loss: float  # nats a token on neutral text
    perplexity: float
    quiz: float  # share of statements finished rightly


class Checkpoint(Record):
    """The adapter as it stands was written to the run's folder."""

    kind: Literal["checkpoint"] = "checkpoint"
    time: float
    step: int
    bytes: int


class Ended(Record):
    """The run is over; `result.json` follows."""

    kind: Literal["done", "stopped", "failed"]
    time: float
    reason: str = ""


RunEvent = Annotated[
    Loading | Started | Planned | Step | Watched | Evaluated | Probed | Checkpoint | Ended,
    Field(discriminator="kind"),
]
RUN_EVENT: TypeAdapter[Any] = TypeAdapter(RunEvent)


class Token(Record):
    """One token of a column's answer. `text` may be empty while a character is unfinished.

    `alternatives` are the likeliest tokens at this step: id, text, log-probability.
    """

    kind: Literal["token"] = "token"
    column: str
    index: int
    text: str
    token_id: int
    logprob: float  # of the token under the column's own distribution, before sampling settings
    alternatives: tuple[tuple[int, str, float], ...] = ()


class ColumnDone(Record):
    """A column's answer is complete."""

    kind: Literal["column_done"] = "column_done"
    column: str
    text: str
    tokens: int
    prompt_tokens: int
    tokens_per_second: float
    time_to_first_token: float  # seconds from the start of the comparison's first forward pass
    stop_reason: Literal["end", "stop", "length"]  # end of turn, a stop text, the limit


class SelfCheck(Record):
    """Whether a column is what it says: the base untouched, or an adapter that changes it.

    For the base column `max_difference` is to the logits that the model gave when it was loaded
    and to those of a plain forward pass of it. For an adapter it is to the base's logits at the
    first new token, `norm_difference` is the Euclidean norm of that difference, and `kl` is
    KL(adapter ‖ base) there, in nats.
    """

    kind: Literal["self_check"] = "self_check"
    column: str
    passed: bool
    max_difference: float
    alone_difference: float  # between the column side by side with others and by itself
    kl: float
    norm_difference: float = 0.0
    merged_difference: float | None = None  # to the adapter merged into a copy of the weights
    merged_note: str = ""  # why it was not merged, or why that does not count
    alone: str = ""  # why the column is not in the shared batch; empty when it is
    note: str = ""


class Shift(Record):
    """What the base gives the tokens of an adapter's answer, in that answer: log-probabilities."""

    kind: Literal["shift"] = "shift"
    column: str
    base_logprobs: tuple[float, ...]


class Progress(Record):
    """Something slow before the first token."""

    kind: Literal["progress"] = "progress"
    what: str


class Report(Record):
    """What was measured, for a request that is not a comparison; its keys are the measurer's."""

    kind: Literal["report"] = "report"
    values: dict[str, Any]


class Failed(Record):
    """The request could not be answered; nothing follows."""

    kind: Literal["error"] = "error"
    reason: str


Reply = Annotated[
    Token | ColumnDone | SelfCheck | Shift | Progress | Report | Failed, Field(discriminator="kind")
]
