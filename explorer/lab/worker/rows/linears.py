"""Linears of the base that read the same input, run once for a whole batch of adapters.

The base's own products are computed for all rows together; what each row adds (see `form`) is
stacked over the rows once, so that a forward pass adds batched products and no loop over rows.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from explorer.lab.worker.rows.form import LinearForm

# Up to this many vectors a CPU multiplies W [out, in] by the few columns xᵀ faster than it
# multiplies the few rows x by Wᵀ: measured 1.3 to 2.7 times on a model's shapes, float32.
FEW = 16
Forms = Sequence[LinearForm | None]  # one a row


class RowLinears:
    """A group of linears over one input [B, M, in], with what every row does to each of them.

    The outputs come side by side, [B, M, sum of out], in memory that may be written into.
    """

    def __init__(self, linears: Sequence[nn.Module], forms: Sequence[Forms]) -> None:
        """`forms[i][row]` is what the row does to `linears[i]`, None for nothing."""
        self.linears = tuple(linears)
        widths = [linear.out_features for linear in linears]
        self.pre = [_stacked([form and form.pre for form in rows], 1.0) for rows in forms]
        scaled = [row for rows in forms for row, f in enumerate(rows) if f and not f.low_rank_only]
        self.scaled = slice(*_span(scaled))  # the rows that `post` and `add` act on
        rows_of = [rows[self.scaled] for rows in forms]
        self.post = _side_by_side([[f and f.post for f in rows] for rows in rows_of], widths, 1.0)
        self.add = _side_by_side([[f and f.add for f in rows] for rows in rows_of], widths, 0.0)
        self.start, self.stop = _span([row for rows in forms for row in _ranked(rows)])
        self.down: Tensor | None = None  # [rows, in, sum of ranks]
        self.up: Tensor | None = None  # [rows, sum of ranks, sum of out], a block a linear
        if self.stop:
            self._stack_low_rank(forms, widths)

    def _stack_low_rank(self, forms: Sequence[Forms], widths: list[int]) -> None:
        dtype = _widest([form.down for rows in forms for form in rows if _rank(form)])
        ranks = [max((_rank(form) for form in rows), default=0) for rows in forms]
        first = self.linears[0]
        where = {"dtype": dtype, "device": first.weight.device}
        rows = self.stop - self.start
        self.down = torch.zeros(rows, first.in_features, sum(ranks), **where)
        # One product with zeros between the blocks costs less than a small product a linear.
        self.up = torch.zeros(rows, sum(ranks), sum(widths), **where)
        rank = place = 0
        for linear_forms, own_rank, width in zip(forms, ranks, widths, strict=True):
            for row in _ranked(linear_forms):
                form, index = linear_forms[row], row - self.start
                end = rank + _rank(form)
                self.down[index, :, rank:end] = form.down.t()
                self.up[index, rank:end, place : place + width] = form.up.t()
            rank, place = rank + own_rank, place + width

    def __call__(self, x: Tensor) -> Tensor:
        """The outputs of all linears side by side."""
        y = self._products(x)
        if self.post is not None:
            y[self.scaled].mul_(self.post)
        if self.add is not None:
            y[self.scaled].add_(self.add)
        if self.down is not None:
            rows = slice(self.start, self.stop)
            hidden = torch.bmm(x[rows].to(self.down.dtype), self.down)
            if y.dtype == hidden.dtype:
                y[rows].baddbmm_(hidden, self.up)
            else:  # float32 adapters over a 16-bit base: summed in float32, then rounded once
                y[rows].add_(torch.bmm(hidden, self.up))
        return y

    def _products(self, x: Tensor) -> Tensor:
        """W (pre ⊙ x) + b of every linear.

        A row alone takes the modules' own path, so that it is the base bit for bit.
        """
        batch, length, _ = x.shape
        few = batch > 1 and batch * length <= FEW
        few = few and x.dtype == torch.float32 and x.device.type == "cpu"
        parts = []
        for linear, pre in zip(self.linears, self.pre, strict=True):
            scaled = x if pre is None else (x * pre).to(x.dtype)
            quick = few and type(linear) is nn.Linear
            parts.append(_few_products(linear, scaled) if quick else linear(scaled))
        if len(parts) > 1:
            return torch.cat(parts, dim=-1)
        return parts[0].contiguous()

    def tensors(self) -> Iterator[Tensor]:
        """What was stacked."""
        stacks = (*self.pre, self.post, self.add, self.down, self.up)
        yield from (stack for stack in stacks if stack is not None)


def _few_products(linear: nn.Linear, x: Tensor) -> Tensor:
    """linear(x) for a few vectors, as a view of W xᵀ."""
    batch, length, width = x.shape
    y = torch.mm(linear.weight, x.reshape(-1, width).t()).t()
    if linear.bias is not None:
        y = y + linear.bias
    return y.unflatten(0, (batch, length))


def stacked(vectors: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """[B, 1, width] from one vector a row."""
    return torch.stack([vector.to(dtype) for vector in vectors])[:, None]


def _stacked(vectors: Sequence[Tensor | None], neutral: float) -> Tensor | None:
    """[B, 1, width] from one vector a row, `neutral` for rows without; None without any."""
    given = [vector for vector in vectors if vector is not None]
    if not given:
        return None
    plain = torch.full_like(given[0], neutral)
    return stacked([plain if vector is None else vector for vector in vectors], _widest(given))


def _side_by_side(
    vectors: Sequence[Sequence[Tensor | None]], widths: Sequence[int], neutral: float
) -> Tensor | None:
    """The stacks of several linears along the last axis; None when no row has any vector."""
    stacks = [_stacked(rows, neutral) for rows in vectors]
    given = [stack for stack in stacks if stack is not None]
    if not given:
        return None
    rows, dtype = given[0].shape[0], _widest(given)
    parts = [
        given[0].new_full((rows, 1, width), neutral, dtype=dtype) if stack is None else stack
        for stack, width in zip(stacks, widths, strict=True)
    ]
    return torch.cat([part.to(dtype) for part in parts], dim=-1)


def _ranked(rows: Forms) -> list[int]:
    return [row for row, form in enumerate(rows) if _rank(form)]


def _rank(form: LinearForm | None) -> int:
    return 0 if form is None or form.down is None else form.down.shape[0]


def _span(rows: Sequence[int]) -> tuple[int, int]:
    """The first row and the one after the last; 0 and 0 for none."""
    return (min(rows), max(rows) + 1) if rows else (0, 0)


def _widest(tensors: Sequence[Tensor]) -> torch.dtype:
    """One type for all; float32 when they differ, which holds each of them."""
    types = {tensor.dtype for tensor in tensors}
    return types.pop() if len(types) == 1 else torch.float32
