"""Inputs that some rows scale, differently for each linear that reads them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from explorer.lab.worker.rows.low_rank import widest


@dataclass(frozen=True)
class ScaledInputs:
    """Factors of B rows for L linears: scales [B + (L-1)·n, 1, in], for rows `start` to `stop`.

    The first B are those of the first linear, 1 for rows that scale nothing; then come those of
    the n rows for every further linear. `places` says which row each of them reads.
    """

    start: int
    stop: int
    scales: Tensor
    places: Tensor
    batch: int

    def of(self, place: int, x: Tensor) -> Tensor:
        """What linear `place` reads, for x [B, M, in]."""
        if place == 0:
            return (x * self.scales[: self.batch]).to(x.dtype)
        own, first = x.clone(), self._first(place)
        own[self.start : self.stop].mul_(self.scales[first : first + self.stop - self.start])
        return own

    def of_all(self, x: Tensor) -> Tensor:
        """What all linears read, for one token a row: [B + (L-1)·n, 1, in]."""
        if self.places.shape[0] == self.batch:
            return (x * self.scales).to(x.dtype)
        return x.index_select(0, self.places).mul_(self.scales)

    def gather(self, y: Tensor, widths: Sequence[int]) -> Tensor:
        """From the outputs of all linears for what `of_all` gave, each row's own: [B, 1, out]."""
        end = widths[0]
        for place, width in enumerate(widths[1:], 1):
            begin, end, first = end, end + width, self._first(place)
            found = y[first : first + self.stop - self.start, :, begin:end]
            y[self.start : self.stop, :, begin:end] = found
        return y[: self.batch]

    def _first(self, place: int) -> int:
        return self.batch + (place - 1) * (self.stop - self.start)


def scaled_inputs(vectors: Sequence[Sequence[Tensor | None]]) -> ScaledInputs | None:
    """`vectors[i][row]` is what linear i's input is multiplied by; None when there is none."""
    given = [vector for rows in vectors for vector in rows if vector is not None]
    if not given:
        return None
    batch = len(vectors[0])
    start, stop = span([r for rows in vectors for r, v in enumerate(rows) if v is not None])
    scaling = list(range(start, stop))
    places = list(range(batch)) + scaling * (len(vectors) - 1)
    chosen = [*vectors[0], *(rows[row] for rows in vectors[1:] for row in scaling)]
    plain, dtype = torch.ones_like(given[0]), widest(given)
    scales = torch.stack([(plain if v is None else v).to(dtype) for v in chosen])[:, None]
    return ScaledInputs(start, stop, scales, torch.tensor(places, device=scales.device), batch)


def span(rows: Sequence[int]) -> tuple[int, int]:
    """The first row and the one after the last; 0 and 0 for none."""
    return (min(rows), max(rows) + 1) if rows else (0, 0)
