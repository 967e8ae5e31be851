"""What low-rank matrices of many rows add to a group of linears: two batched products."""

from collections.abc import Iterator, Sequence
from math import gcd

import torch
from torch import Tensor

from explorer.lab.worker.rows.form import LinearForm

Forms = Sequence[LinearForm | None]  # one a row


class LowRank:
    """Rows `start` to `stop`, all with low-rank matrices on some of the linears.

    Outputs of different width are cut into blocks of one width, so that no product runs over the
    zeros between two linears: down [n, in, L·r] and up [n·blocks, r, width] for the L linears that
    any row has matrices on. Ranks below r are filled up with zeros.
    """

    def __init__(self, forms: Sequence[Forms], widths: Sequence[int], start: int, stop: int):
        """`forms[i][row]` is what the row does to linear i, which gives `widths[i]` numbers."""
        self.start, self.stop = start, stop
        own = [rows[start:stop] for rows in forms]
        acting = [i for i, rows in enumerate(own) if any(rank(form) for form in rows)]
        given = [form for i in acting for form in own[i] if rank(form)]
        self.rank, self.acting = max(rank(form) for form in given), len(acting)
        width = gcd(*widths)
        counts = [total // width for total in widths]
        self.blocks = sum(counts)
        where = {"dtype": widest([form.down for form in given]), "device": given[0].down.device}
        rows, inputs = stop - start, given[0].down.shape[1]
        self.down = torch.zeros(rows, inputs, self.acting * self.rank, **where)
        self.up = torch.zeros(rows, self.blocks, self.rank, width, **where)
        sources = []  # which linear's inner products a block reads
        for i, count in enumerate(counts):
            if i not in acting:
                sources += [0] * count  # its `up` is zero
                continue
            slot, block = acting.index(i), len(sources)
            sources += [slot] * count
            for row in range(rows):
                if own_rank := rank(own[i][row]):
                    self._fill(row, slot, block, own[i][row], own_rank)
        self.up = self.up.flatten(0, 1)
        self.sources: Tensor | None = None  # [blocks]; None where block i reads linear i
        if sources != list(range(self.acting)):
            self.sources = torch.tensor(sources, device=self.up.device)

    def _fill(self, row: int, slot: int, block: int, form: LinearForm, own_rank: int) -> None:
        first = slot * self.rank
        self.down[row, :, first : first + own_rank] = form.down.t()
        width = self.up.shape[-1]
        parts = form.up.unflatten(0, (-1, width)).transpose(1, 2)  # [count, own rank, width]
        mine = self.up[row, block : block + parts.shape[0], :own_rank]
        torch.mul(parts, form.scale, out=mine) if form.scale != 1 else mine.copy_(parts)

    def add_to(self, y: Tensor, x: Tensor) -> None:
        """Add to outputs y [B, M, sum of out] what the rows make of x [B, M, in], in place."""
        rows, length = self.stop - self.start, x.shape[1]
        own = x.narrow(0, self.start, rows).to(self.down.dtype)
        inner = torch.bmm(own, self.down)
        if self.blocks == 1:
            added = torch.bmm(inner, self.up)
        elif length == 1:  # blocks are in the outputs' order already
            inner = inner.view(rows, self.acting, self.rank)
            if self.sources is not None:
                inner = inner.index_select(1, self.sources)
            added = torch.bmm(inner.view(-1, 1, self.rank), self.up).view(rows, 1, -1)
        else:
            inner = inner.view(rows, length, self.acting, self.rank).transpose(1, 2)
            if self.sources is not None:
                inner = inner.index_select(1, self.sources)
            added = torch.bmm(inner.reshape(-1, length, self.rank), self.up)
            added = added.view(rows, self.blocks, length, -1).transpose(1, 2).flatten(2)
        # float32 adapters over a 16-bit base: summed in float32, then rounded once
        y.narrow(0, self.start, rows).add_(added)

    def tensors(self) -> Iterator[Tensor]:
        """What was stacked."""
        yield from (self.down, self.up)


def stack_low_rank(forms: Sequence[Forms], widths: Sequence[int]) -> list[LowRank]:
    """The rows with low-rank matrices, in as few stacks as their order and ranks allow.

    A stack has no row without a matrix and at most twice the smallest rank, so that at most half
    of it is zeros that fill up.
    """
    stacks: list[LowRank] = []
    ranks = [max(rank(form) for form in row) for row in zip(*forms, strict=True)]
    start = 0
    for row in range(len(ranks) + 1):
        among = [*ranks[start:row], ranks[row] if row < len(ranks) else 0]
        if min(among) and max(among) <= 2 * min(among):
            continue
        if row > start:
            stacks.append(LowRank(forms, widths, start, row))
        start = row if among[-1] else row + 1
    return stacks


def rank(form: LinearForm | None) -> int:
    """The rank of what is added; 0 for nothing."""
    return 0 if form is None or form.down is None else form.down.shape[0]


def widest(tensors: Sequence[Tensor]) -> torch.dtype:
    """One type for all; float32 when they differ, which holds each of them."""
    types = {tensor.dtype for tensor in tensors}
    return types.pop() if len(types) == 1 else torch.float32
