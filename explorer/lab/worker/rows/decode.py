"""One prompt through all columns at once: a generator that hands back control at every token."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from explorer.catalogue.errors import ExplorerError
from explorer.lab.worker.rows.column import Column
from explorer.lab.worker.rows.lanes import Lane, make_lanes
from explorer.lab.worker.rows.padding import left_padded
from explorer.lab.worker.rows.sampling import Chooser, Draws, Sampling
from explorer.lab.worker.rows.text import TextStream

GREEDY = Sampling()


class PromptError(ExplorerError):
    """A prompt that cannot be answered."""


class NoNumberError(ExplorerError):
    """A column whose probabilities cannot be computed."""


@dataclass(frozen=True)
class Read:
    """So many of the prompt's tokens have been read, summed over the batches."""

    tokens: int
    of: int


@dataclass(frozen=True)
class Token:
    """One token of a column. `text` is empty while it may be part of a character or a stop string.

    `logprob` and the `alternatives` (id, log-probability; likeliest first) are under the column's
    own distribution, before sampling settings, in nats.
    """

    column: int
    index: int
    token_id: int
    text: str
    logprob: float
    alternatives: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Finished:
    """A column's answer is complete: by an end token, a stop string or the length limit."""

    column: int
    reason: Literal["end", "stop", "length"]
    text: str
    tokens: int


Event = Read | Token | Finished


@dataclass(frozen=True)
class Request:
    """What the columns are asked. `alternatives` is how many top tokens each step reports.

    `own` is a prompt a column where they are not all asked the same `prompt_ids`.
    """

    prompt_ids: Sequence[int]
    sampling: Sampling = GREEDY
    seed: int = 0
    alternatives: int = 0
    chunk: int = 256  # prompt tokens that are read at once
    own: tuple[Sequence[int], ...] = ()

    def prompt_of(self, column: int) -> list[int]:
        """The token ids that a column is asked."""
        return list(self.own[column] if self.own else self.prompt_ids)


def decode(
    columns: Sequence[Column], request: Request, tokenizer: PreTrainedTokenizerBase
) -> Iterator[Event]:
    """Answer the prompt in every column; close the generator to stop.

    Each `next` runs at most one chunk of the prompt or one token of one batch. Rows that have
    ended leave the batch. Raises PromptError for a prompt that is empty or longer than a base
    takes, NoRowFormError for a mix that cannot be added up, NoNumberError for a column whose logits
    overflow.
    """
    lanes = make_lanes(columns)
    draws = Draws(request.seed)
    names = [column.name for column in columns]
    answers = [_LaneAnswer(lane, request, draws, tokenizer, names) for lane in lanes]
    total = sum(answer.prompt_ids.shape[-1] for answer in answers)
    read = 0
    for answer in answers:
        for tokens in answer.read():
            read += tokens
            yield Read(read, total)
        yield from answer.tell()
    while answers := [answer for answer in answers if answer.lane.columns]:
        for answer in answers:
            answer.advance()
            yield from answer.tell()


def _room(base: PreTrainedModel, prompt: int) -> int:
    """How many tokens an answer may have."""
    positions = base.config.max_position_embeddings
    if prompt == 0:
        raise PromptError("The prompt is empty: there is nothing to continue.")
    if prompt >= positions:
        raise PromptError(
            f"The prompt has {prompt:,} tokens, and this base takes at most {positions - 1:,}."
        )
    return positions - prompt


def end_tokens(base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The ids that end an answer, by the base's generation settings and its tokenizer."""
    settings = base.generation_config.eos_token_id if base.generation_config else None
    ids = settings if isinstance(settings, list) else [settings]
    return frozenset(i for i in (*ids, tokenizer.eos_token_id) if i is not None)


class _LaneAnswer:
    """The answers of one lane's rows as far as they have come."""

    def __init__(
        self,
        lane: Lane,
        request: Request,
        draws: Draws,
        tokenizer: PreTrainedTokenizerBase,
        names: Sequence[str],
    ) -> None:
        self.lane, self.request = lane, request
        self.names = names
        self.ends = end_tokens(lane.base, tokenizer)
        device = lane.base.device
        prompts = [torch.tensor(request.prompt_of(place), device=device) for place in lane.columns]
        most = request.sampling.max_new_tokens
        self.limits = [min(most, _room(lane.base, len(prompt))) for prompt in prompts]
        self.prompt_ids, self.padding = left_padded(prompts)  # [M], or [B, M] with padding
        vocabulary = lane.base.get_output_embeddings().weight.shape[0]
        self.chooser = Chooser(request.sampling, draws, prompts, vocabulary)
        self.streams = [TextStream(tokenizer, request.sampling.stop) for _ in lane.columns]
        self.counts = 0
        self.chosen: Tensor | None = None
        self.logits: Tensor | None = None

    def read(self) -> Iterator[int]:
        """Read the prompt; yields the number of tokens of each chunk."""
        chunk, done = self.request.chunk, 0
        runner = self.lane.runner
        for logits in runner.prefill(self.prompt_ids, max(self.limits), chunk, self.padding):
            self.logits = logits
            yield min(chunk, self.prompt_ids.shape[-1] - done)
            done += chunk

    def advance(self) -> None:
        """One forward pass with the tokens that were told last."""
        self.logits = self.lane.runner.step(self.chosen)

    @torch.inference_mode()
    def tell(self) -> list[Event]:
        """Choose a token a row and tell it; rows whose answer is complete leave."""
        logits = self.logits.float()  # once for all that follows
        self.chosen = self.chooser(logits)
        total = logits.logsumexp(dim=-1, keepdim=True)
        self._demand_numbers(total)
        chosen = logits.gather(1, self.chosen[:, None]) - total
        ids, logprobs = self.chosen.tolist(), chosen[:, 0].tolist()
        others = self._alternatives(logits, total)
        self.counts += 1
        events: list[Event] = []
        left = []
        for row, column in enumerate(self.lane.columns):
            stream, token_id = self.streams[row], ids[row]
            ended = token_id in self.ends
            text = "" if ended else stream.add(token_id)
            reason = "end" if ended else "stop" if stream.stopped else None
            if reason is None and self.counts >= self.limits[row]:
                reason = "length"
            if reason:
                text += stream.finish()
            index = self.counts - 1
            events.append(Token(column, index, token_id, text, logprobs[row], others[row]))
            if reason:
                events.append(Finished(column, reason, stream.text, self.counts))
            else:
                left.append(row)
        self._keep(left)
        return events

    def _demand_numbers(self, total: Tensor) -> None:
        fine = total[:, 0].isfinite().tolist()
        if not all(fine):
            name = self.names[self.lane.columns[fine.index(False)]]
            raise NoNumberError(
                f"{name!r:.80} gives no numbers at token {self.counts + 1}: what its adapter adds "
                "is too large to be computed with. Try a smaller strength."
            )

    def _alternatives(self, logits: Tensor, total: Tensor) -> list[tuple[tuple[int, float], ...]]:
        if not self.request.alternatives:
            return [()] * len(self.lane.columns)
        count = min(self.request.alternatives, logits.shape[-1])
        values, ids = logits.topk(count, dim=-1)
        pairs = zip(ids.tolist(), (values - total).tolist(), strict=True)
        return [tuple(zip(*row, strict=True)) for row in pairs]

    def _keep(self, rows: list[int]) -> None:
        if len(rows) == len(self.lane.columns):
            return
        self.lane.keep(rows)
        self.chooser.keep(rows)
        self.streams = [self.streams[row] for row in rows]
        self.limits = [self.limits[row] for row in rows]
        self.chosen = self.chosen[rows]
        self.logits = None
