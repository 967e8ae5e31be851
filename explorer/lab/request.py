"""What the worker can be asked beside training: typed requests, checked before they are sent."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, field_validator

from explorer.catalogue.architecture import Architecture
from explorer.catalogue.record import Record
from explorer.lab.bases import EMBEDDED
from explorer.lab.columns import BASE_COLUMN as BASE_COLUMN
from explorer.lab.columns import parse_column
from explorer.lab.job import Precision, Quantization
from explorer.lab.words import check

MAX_COLUMNS = 9  # the base and eight adapters
MAX_PROMPT = 20_000  # characters


StopText = Annotated[str, Field(min_length=1, max_length=200)]


class Sampling(Record):
    """How the next token is chosen. Temperature 0 is greedy; then nothing else matters."""

    temperature: float = Field(default=0.0, ge=0, le=5)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0, le=1000)  # 0: no limit
    repetition_penalty: float = Field(default=1.0, ge=0.1, le=10)
    max_new_tokens: int = Field(default=64, ge=1, le=2048)
    stop: tuple[StopText, ...] = Field(default=(), max_length=8)  # texts that end an answer


class Turn(Record):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str = Field(max_length=MAX_PROMPT)


class CompareRequest(Record):
    """The same question answered by several columns, written as explorer.lab.columns says.

    A run's column stands on the base that it was trained on, quantized as it was then, unless
    `quantization` says otherwise for all columns. `histories` are a column's own turns before the
    last message, for conversations that have parted.
    """

    kind: Literal["compare"] = "compare"
    columns: tuple[str, ...] = Field(min_length=1, max_length=MAX_COLUMNS)
    messages: tuple[Turn, ...] = Field(min_length=1, max_length=100)
    base: str = EMBEDDED
    quantization: Quantization | None = None
    precision: Precision = "auto"
    sampling: Sampling = Sampling()
    seed: int = Field(default=0, ge=0, lt=2**31)
    alternatives: int = Field(default=0, ge=0, le=10)  # top tokens reported at each step
    histories: dict[str, tuple[Turn, ...]] = Field(default_factory=dict)
    self_check: bool = True
    shifts: bool = False  # tell what the base gives the tokens of each adapter's answer

    @field_validator("columns")
    @classmethod
    def _once_each(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(columns)) != len(columns):
            raise ValueError("a column is listed twice")
        for column in columns:
            parse_column(column)
        return columns

    def conversation(self, column: str) -> tuple[Turn, ...]:
        """What a column is asked, its own history included."""
        return (*self.messages[:-1], *self.histories.get(column, ()), self.messages[-1])

    @field_validator("messages")
    @classmethod
    def _ends_with_a_question(cls, messages: tuple[Turn, ...]) -> tuple[Turn, ...]:
        if messages[-1].role != "user":
            raise ValueError("the last message has to be the user's")
        if not messages[-1].content.strip():
            raise ValueError("the prompt is empty: write something to answer")
        return messages


class TrainRequest(Record):
    """Carry out the job of a run folder."""

    kind: Literal["train"] = "train"
    run: str
    folder: str


class QuantizationRequest(Record):
    """Measure what 4 and 8 bits do to one linear of a base, to its perplexity and to its size."""

    kind: Literal["quantization"] = "quantization"
    base: str = EMBEDDED
    layer: int = Field(default=0, ge=0, le=10_000)
    site: str = Field(default="q_proj", max_length=100)


class CountRequest(Record):
    """Build a model of this shape without weights, attach a method, count the parameters."""

    kind: Literal["count"] = "count"
    architecture: Architecture
    method: str
    knobs: dict[str, Any] = Field(default_factory=dict)


Request = Annotated[
    CompareRequest | TrainRequest | QuantizationRequest | CountRequest, Field(discriminator="kind")
]
REQUEST: TypeAdapter[Any] = TypeAdapter(Request)


def checked_request(**values: Any) -> CompareRequest:
    """A comparison, or an ExplorerError with value and range."""
    return check(CompareRequest, values)
