"""From logits to tokens: greedy or drawn, the same draw for every column at the same step."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from explorer.catalogue.errors import ExplorerError

LIKELY = 512  # tokens that are sorted at first; more only where these do not reach top_p
COLDEST = 1e-9  # below it a temperature is as good as 0, and soon no number of float32


class SamplingError(ExplorerError):
    """A sampling setting out of its range."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen. Temperature 0 is greedy; top_k 0 and top_p 1 leave all tokens in.

    Applied in transformers' order: repetition penalty (over prompt and answer), temperature,
    top_k, top_p. Raises SamplingError for a value out of its range.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    max_new_tokens: int = 256
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _within("temperature", self.temperature, 0.0, 10.0)
        _within("top_p", self.top_p, 0.0, 1.0)
        _within("top_k", self.top_k, 0, 1_000_000)
        _within("repetition_penalty", self.repetition_penalty, 0.1, 10.0)
        _within("max_new_tokens", self.max_new_tokens, 1, 100_000)
        if not all(self.stop):
            raise SamplingError("A stop string is empty: it would end every answer at once.")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise SamplingError(f"{name} = {value}: it takes a number from {low} to {high}.")


class Draws:
    """One uniform number a step, from the seed alone: what other columns do changes nothing."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._drawn: list[float] = []

    def at(self, step: int) -> float:
        """The number in [0, 1) of step 0, 1, …"""
        while len(self._drawn) <= step:
            number = torch.rand((), generator=self._generator, dtype=torch.float64)
            self._drawn.append(number.item())
        return self._drawn[step]


class Chooser:
    """Chooses a token a row, step after step; keeps what the repetition penalty has to know."""

    def __init__(
        self, sampling: Sampling, draws: Draws, prompts: Sequence[Tensor], vocabulary: int
    ) -> None:
        """`prompts` are each row's token ids."""
        self.sampling, self.draws, self.steps = sampling, draws, 0
        self.seen: Tensor | None = None
        if sampling.repetition_penalty != 1.0:
            shape = (len(prompts), vocabulary)
            self.seen = torch.zeros(shape, dtype=torch.bool, device=prompts[0].device)
            for row, prompt_ids in enumerate(prompts):
                self.seen[row, prompt_ids] = True

    def __call__(self, logits: Tensor) -> Tensor:
        """Token ids [n] from logits [n, V]."""
        if self.seen is not None:
            logits = self._penalised(logits)
        if self.sampling.temperature == 0:
            chosen = logits.argmax(dim=-1)
        else:
            chosen = draw(logits.float(), self.sampling, self.draws.at(self.steps))
        self.steps += 1
        if self.seen is not None:
            self.seen.scatter_(1, chosen[:, None], True)
        return chosen

    def _penalised(self, logits: Tensor) -> Tensor:
        penalty = self.sampling.repetition_penalty
        lowered = torch.where(logits < 0, logits * penalty, logits / penalty)
        return torch.where(self.seen, lowered, logits)

    def keep(self, rows: Sequence[int]) -> None:
        """Forget all rows but these."""
        if self.seen is not None:
            self.seen = self.seen[list(rows)]


def draw(logits: Tensor, sampling: Sampling, uniform: float) -> Tensor:
    """The token of each row at which the cumulative probability passes `uniform`.

    Likelier tokens come first where top_k or top_p order them. logits [n, V], result [n].
    """
    # from the likeliest down, so that no temperature, however small, makes an infinite number
    logits = logits - logits.amax(dim=-1, keepdim=True)
    logits = logits / max(sampling.temperature, COLDEST)
    limited = 0 < sampling.top_k < logits.shape[-1]
    if not limited and sampling.top_p >= 1:
        return _pass(torch.softmax(logits, dim=-1), uniform)
    if limited:
        values, ids = logits.topk(sampling.top_k, dim=-1)
        mass = torch.softmax(values, dim=-1)
    else:
        values, ids = logits.topk(min(LIKELY, logits.shape[-1]), dim=-1)
        mass = (values - logits.logsumexp(dim=-1, keepdim=True)).exp()
        if bool((mass.sum(dim=-1) < sampling.top_p).any()):
            values, ids = logits.sort(dim=-1, descending=True, stable=True)
            mass = torch.softmax(values, dim=-1)
    before = mass.cumsum(dim=-1) - mass
    # a token stays while those before it have not reached top_p; the likeliest always stays
    mass = torch.where(before < sampling.top_p, mass, 0.0)
    mass[:, 0] = torch.where(mass.sum(dim=-1) > 0, mass[:, 0], 1.0)
    return ids.gather(1, _pass(mass, uniform)[:, None])[:, 0]


def _pass(mass: Tensor, uniform: float) -> Tensor:
    """The first place of each row whose cumulative share is above `uniform`, never an empty one."""
    cumulative = mass.double().cumsum(dim=-1)
    place = torch.searchsorted(cumulative, uniform * cumulative[:, -1:].contiguous(), right=True)
    last = mass.shape[-1] - 1 - mass.flip(-1).gt(0).int().argmax(dim=-1, keepdim=True)
    return torch.minimum(place, last)[:, 0]
