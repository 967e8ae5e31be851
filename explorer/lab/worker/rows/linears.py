"""Linears of the base that read the same input, run once for a whole batch of adapters.

The base's own products are computed for all rows together; what each row adds (see `form`) is
stacked over the rows once, so that a forward pass adds batched products and no loop over rows.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from explorer.lab.worker.rows.inputs import scaled_inputs, span
from explorer.lab.worker.rows.joined import joined
from explorer.lab.worker.rows.low_rank import Forms, stack_low_rank, widest

# Up to this many vectors a CPU multiplies W [out, in] by the few columns xᵀ faster than it
# multiplies the few rows x by Wᵀ: measured 1.3 to 2.7 times on a model's shapes, float32.
FEW = 16


class RowLinears:
    """A group of linears over one input [B, M, in], with what every row does to each of them.

    The outputs come side by side, [B, M, sum of out], in memory that may be written into.
    """

    def __init__(self, linears: Sequence[nn.Module], forms: Sequence[Forms]) -> None:
        """`forms[i][row]` is what the row does to `linears[i]`, None for nothing."""
        self.linears = tuple(linears)
        self.widths = [linear.out_features for linear in linears]
        self.weight = joined(linears)
        self.inputs = scaled_inputs([[form and form.pre for form in rows] for rows in forms])
        scaled = [row for rows in forms for row, f in enumerate(rows) if f and not f.low_rank_only]
        self.scaled = slice(*span(scaled))  # the rows that `post` and `add` act on
        of = [rows[self.scaled] for rows in forms]
        self.post = _side_by_side([[f and f.post for f in rows] for rows in of], self.widths, 1.0)
        self.add = _side_by_side([[f and f.add for f in rows] for rows in of], self.widths, 0.0)
        self.low_rank = stack_low_rank(forms, self.widths)

    def __call__(self, x: Tensor) -> Tensor:
        """The outputs of all linears side by side."""
        y = self._products(x)
        if self.post is not None:
            y[self.scaled].mul_(self.post)
        if self.add is not None:
            y[self.scaled].add_(self.add)
        for stack in self.low_rank:
            stack.add_to(y, x)
        return y

    def _products(self, x: Tensor) -> Tensor:
        """W (pre ⊙ x) + b of every linear.

        A row alone takes the modules' own path, so that it is the base bit for bit.
        """
        batch, length, _ = x.shape
        if batch > 1 and length == 1 and self.weight is not None:
            return self._one_product(x)
        parts = []
        for place, module in enumerate(self.linears):
            own = x if self.inputs is None else self.inputs.of(place, x)
            parts.append(module(own))
        if len(parts) > 1:
            return torch.cat(parts, dim=-1)
        return parts[0].contiguous()

    def _one_product(self, x: Tensor) -> Tensor:
        """The same of one token a row, by one pass through the weights that lie side by side."""
        if self.inputs is None:
            return _product(self.weight, x)
        y = _product(self.weight, self.inputs.of_all(x))
        return self.inputs.gather(y, self.widths)

    def tensors(self) -> Iterator[Tensor]:
        """What was stacked."""
        yield from (stack for stack in (self.post, self.add) if stack is not None)
        if self.inputs is not None:
            yield self.inputs.scales
        for low_rank in self.low_rank:
            yield from low_rank.tensors()


def _product(weight: Tensor, x: Tensor) -> Tensor:
    """W x for x [B, 1, in]: [B, 1, out]."""
    few = x.shape[0] <= FEW and x.dtype == torch.float32 and x.device.type == "cpu"
    if not few:
        return linear(x, weight)
    return torch.mm(weight, x[:, 0].t()).t().contiguous()[:, None]


def stacked(vectors: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """[B, 1, width] from one vector a row."""
    return torch.stack([vector.to(dtype) for vector in vectors])[:, None]


def _stacked(vectors: Sequence[Tensor | None], neutral: float) -> Tensor | None:
    """[B, 1, width] from one vector a row, `neutral` for rows without; None without any."""
    given = [vector for vector in vectors if vector is not None]
    if not given:
        return None
    plain = torch.full_like(given[0], neutral)
    return stacked([plain if vector is None else vector for vector in vectors], widest(given))


def _side_by_side(
    vectors: Sequence[Sequence[Tensor | None]], widths: Sequence[int], neutral: float
) -> Tensor | None:
    """The stacks of several linears along the last axis; None when no row has any vector."""
    stacks = [_stacked(rows, neutral) for rows in vectors]
    given = [stack for stack in stacks if stack is not None]
    if not given:
        return None
    rows, dtype = given[0].shape[0], widest(given)
    parts = [
        given[0].new_full((rows, 1, width), neutral, dtype=dtype) if stack is None else stack
        for stack, width in zip(stacks, widths, strict=True)
    ]
    return torch.cat([part.to(dtype) for part in parts], dim=-1)
