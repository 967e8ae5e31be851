"""Linears of the base that read the same input, run once for a whole batch of adapters.

The base's own product is computed for all rows together; what each row adds (see `form`) is
stacked over the rows once, so that a forward pass adds one batched product and no loop over rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from explorer.lab.worker.rows.form import LinearForm

# Up to this many vectors a CPU multiplies W [out, in] by the few columns xᵀ faster than it
# multiplies the few rows x by Wᵀ: measured 1.3 to 2.7 times on a model's shapes, float32.
FEW = 16


def product(linear: nn.Module, x: Tensor) -> Tensor:
    """linear(x) for x [B, M, in]; for a few vectors in the layout that a CPU is quicker in.

    A row alone takes the module's own path, so that it is the base bit for bit.
    """
    batch, length, width = x.shape
    few = batch > 1 and batch * length <= FEW
    if not (
        few and type(linear) is nn.Linear and x.dtype == torch.float32 and x.device.type == "cpu"
    ):
        return linear(x)
    y = torch.mm(linear.weight, x.reshape(-1, width).t()).t().contiguous()
    if linear.bias is not None:
        y += linear.bias
    return y.view(batch, length, -1)


@dataclass(frozen=True)
class Stack:
    """What the rows do to one linear: pre, post, add [B, 1, width], None where no row does it.

    Rows `start` to `stop` also have a low-rank part: `up` [rows, ranks, out] reads the columns
    `first` to `last` of the group's down-projection.
    """

    pre: Tensor | None = None
    post: Tensor | None = None
    add: Tensor | None = None
    up: Tensor | None = None
    start: int = 0
    stop: int = 0
    first: int = 0
    last: int = 0


class RowLinears:
    """A group of linears over one input [B, M, in], with the forms of every row on each of them."""

    def __init__(self, linears: Sequence[nn.Module], forms: Sequence[Sequence[LinearForm | None]]):
        """`forms[i][row]` is what the row does to `linears[i]`, None for nothing."""
        self.linears = tuple(linears)
        ranked = [row for rows in forms for row, form in enumerate(rows) if form and _rank(form)]
        self.start, self.stop = (min(ranked), max(ranked) + 1) if ranked else (0, 0)
        ranks = [max((_rank(form) for form in rows), default=0) for rows in forms]
        ends = [sum(ranks[: index + 1]) for index in range(len(ranks))]
        self.down = self._stack_down(forms, ends) if ranked else None
        self.stacks = tuple(
            self._stack(rows, end - rank, end)
            for rows, rank, end in zip(forms, ranks, ends, strict=True)
        )

    def _stack_down(self, forms: Sequence[Sequence[LinearForm | None]], ends: list[int]) -> Tensor:
        """The down-projections of all linears side by side: [rows, in, ranks]."""
        parts = [form.down for rows in forms for form in rows if form and _rank(form)]
        shape = (self.stop - self.start, parts[0].shape[1], ends[-1])
        down = parts[0].new_zeros(shape, dtype=_widest(parts))
        for first, rows in zip([0, *ends], forms, strict=False):
            for row, form in enumerate(rows):
                if form and (rank := _rank(form)):
                    down[row - self.start, :, first : first + rank] = form.down.t()
        return down

    def _stack(self, rows: Sequence[LinearForm | None], first: int, last: int) -> Stack:
        ranked = [row for row, form in enumerate(rows) if _rank(form)]
        start, stop = (min(ranked), max(ranked) + 1) if ranked else (0, 0)
        return Stack(
            pre=stacked_vectors([form and form.pre for form in rows], 1.0),
            post=stacked_vectors([form and form.post for form in rows], 1.0),
            add=stacked_vectors([form and form.add for form in rows], 0.0),
            up=self._stack_up(rows, start, stop, last - first) if ranked else None,
            start=start,
            stop=stop,
            first=first,
            last=last,
        )

    def _stack_up(
        self, rows: Sequence[LinearForm | None], start: int, stop: int, rank: int
    ) -> Tensor:
        parts = [form.up for form in rows if form and _rank(form)]
        up = parts[0].new_zeros((stop - start, rank, parts[0].shape[0]), dtype=self.down.dtype)
        for row, form in enumerate(rows):
            if form and _rank(form):
                up[row - start, : _rank(form)] = form.up.t()
        return up

    def __call__(self, x: Tensor) -> list[Tensor]:
        """The outputs [B, M, out] of every linear; they are fresh and may be written into."""
        hidden = None
        if self.down is not None:
            hidden = torch.bmm(x[self.start : self.stop].to(self.down.dtype), self.down)
        outputs = []
        for linear, stack in zip(self.linears, self.stacks, strict=True):
            y = product(linear, x if stack.pre is None else (x * stack.pre).to(x.dtype))
            if stack.post is not None:
                y *= stack.post
            if stack.add is not None:
                y += stack.add
            if stack.up is not None:
                self._add_low_rank(y, hidden, stack)
            outputs.append(y)
        return outputs

    def _add_low_rank(self, y: Tensor, hidden: Tensor, stack: Stack) -> None:
        part = hidden[
            stack.start - self.start : stack.stop - self.start, :, stack.first : stack.last
        ]
        rows = y[stack.start : stack.stop]
        if rows.dtype == part.dtype:
            rows.baddbmm_(part, stack.up)
        else:  # float32 adapters over a 16-bit base: summed in float32, then rounded once
            rows += torch.bmm(part, stack.up)


def stacked_vectors(vectors: Sequence[Tensor | None], neutral: float) -> Tensor | None:
    """[B, 1, width] from one vector a row, `neutral` for rows without; None without any."""
    given = [vector for vector in vectors if vector is not None]
    if not given:
        return None
    stack = given[0].new_full((len(vectors), 1, given[0].shape[0]), neutral, dtype=_widest(given))
    for row, vector in enumerate(vectors):
        if vector is not None:
            stack[row, 0] = vector
    return stack


def _rank(form: LinearForm | None) -> int:
    return 0 if form is None or form.down is None else form.down.shape[0]


def _widest(tensors: Sequence[Tensor]) -> torch.dtype:
    """One type for all; float32 when they differ, which holds each of them."""
    types = {tensor.dtype for tensor in tensors}
    return types.pop() if len(types) == 1 else torch.float32
