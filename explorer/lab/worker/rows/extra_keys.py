"""LLaMA-Excitor's extra keys as a bias of the scores, beside keys that are the base's own.

Key j of head i is k_j + g_i Σ_p a_ijp P_p, where a_ij are the shares that the softmax over the
prompts P gave when token j was read. So its score for a query is q_i·k_j + g_i Σ_p a_ijp (q_i·P_p):
the shares are cached, K numbers a head, in place of a key a query head. Keys that are rotated with
the extra part in them (see `ExcitorForm.rotate`) do not part like this; `attention` has those.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from explorer.lab.worker.rows.cache import Grown
from explorer.lab.worker.rows.form import ExcitorForm


@dataclass(frozen=True)
class Biases:
    """Rows `start` to `stop`, H heads: down [n, d, r], scores [n, r, H·K], prompts [n·H, h, K].

    The gate and both scales are folded in; mask [n, 1, 1, K] is None where all rows have as many
    prompts. On a CPU all are float32 over a 16-bit base as well (see `small_products`).
    """

    start: int
    stop: int
    down: Tensor
    scores: Tensor
    prompts: Tensor
    mask: Tensor | None

    def read(self, x: Tensor, cache: Grown) -> Tensor:
        """Add the shares of the tokens x [B, M, d] to the cache; all of them, [n, H, L, K]."""
        own = x[self.start : self.stop].to(self.down.dtype)
        rows, length, _ = own.shape
        scores = torch.bmm(torch.bmm(own, self.down), self.scores)
        scores = scores.view(rows, length, -1, self.prompts.shape[2]).transpose(1, 2)
        if self.mask is not None:
            scores = scores + self.mask
        return cache.put(torch.softmax(scores, dim=-1))

    def bias(self, query: Tensor, shares: Tensor) -> Tensor:
        """What is added to the scaled scores of query [B, H, M, h]: [n, H, M, L]."""
        own = query[self.start : self.stop].to(self.prompts.dtype)
        beside = torch.bmm(own.flatten(0, 1), self.prompts)
        shares = shares.to(beside.dtype).flatten(0, 1)
        found = torch.bmm(beside, shares.transpose(1, 2))
        return found.view(*own.shape[:3], -1)

    def tensors(self) -> Iterator[Tensor]:
        """What was stacked."""
        yield from (self.down, self.scores, self.prompts)


def stack_biases(forms: Sequence[ExcitorForm | None], heads: int, scaling: float) -> Biases | None:
    """The extra keys of all rows that have some, rows between them with a gate of 0.

    Rows whose extra keys are rotated are left to `attention`.
    """
    given = {r: f.rounded() for r, f in enumerate(forms) if f is not None and not f.rotate}
    if not given:
        return None
    start, stop = min(given), max(given) + 1
    first = next(iter(given.values())).prompt
    dtype = small_products(first.dtype, first.device)
    rank = max(form.down.shape[0] for form in given.values())
    longest = max(form.prompt.shape[1] for form in given.values())
    width, head_dim = next(iter(given.values())).down.shape[1], _head_dim(first, heads)
    where = {"dtype": dtype, "device": first.device}
    down = torch.zeros(stop - start, width, rank, **where)
    scores = torch.zeros(stop - start, rank, heads, longest, **where)
    prompts = torch.zeros(stop - start, heads, head_dim, longest, **where)
    lengths = [longest] * (stop - start)
    for row, form in given.items():
        place = row - start
        own_heads, length, own_width = form.prompt.shape
        own_rank, lengths[place] = form.down.shape[0], length
        down[place, :, :own_rank] = form.down.t()
        up = form.up.view(own_heads, own_width, own_rank)
        inner = torch.matmul(form.prompt.to(dtype), up.to(dtype)) / own_width**0.5
        # one attention over the full width gives every head the same shares
        scores[place, :own_rank, :, :length] = inner.permute(2, 0, 1)
        # and its prompts hold every head's part
        parts = form.prompt.view(own_heads, length, -1, head_dim).transpose(1, 2).flatten(0, 1)
        gate = form.gate.expand(heads).view(heads, 1, 1)
        prompts[place, :, :, :length] = scaling * (gate * parts).transpose(1, 2)
    mask = padding_mask(lengths, longest, down)
    return Biases(start, stop, down, scores.flatten(2), prompts.flatten(0, 1), mask)


def _head_dim(prompt: Tensor, heads: int) -> int:
    return prompt.shape[0] * prompt.shape[2] // heads


def small_products(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """The type for products of a few vectors: a CPU takes several times as long for 16-bit ones."""
    return torch.float32 if device.type == "cpu" else dtype


def padding_mask(lengths: Sequence[int], longest: int, like: Tensor) -> Tensor | None:
    """[n, 1, 1, K], -∞ on what a row does not have; None when all rows are as long."""
    if all(length == longest for length in lengths):
        return None
    places = torch.arange(longest, device=like.device)
    missing = places >= torch.tensor(lengths, device=like.device)[:, None]
    mask = like.new_zeros(len(lengths), longest).masked_fill(missing, float("-inf"))
    return mask[:, None, None]
