"""Keys and values of a batch, kept in place and grown by blocks."""

import torch
from torch import Tensor

BLOCK = 128  # positions that are added at once when the room is used up


class Grown:
    """States [rows, heads, positions, width] that get longer.

    Memory is taken with the first positions, for `room` of them, and more when that is used up.
    They are kept in `dtype`, or in the type of the first.
    """

    def __init__(self, room: int, dtype: torch.dtype | None = None) -> None:
        self.room, self.dtype = room, dtype
        self.length = 0
        self.states: Tensor | None = None

    def put(self, states: Tensor) -> Tensor:
        """Append positions and return all so far, as a view."""
        end = self.length + states.shape[2]
        if self.states is None:
            self.room = max(self.room, end)
            self.states = self._empty(states)
        elif end > self.room:
            self._grow(end)
        self.states[:, :, self.length : end] = states
        self.length = end
        return self.states[:, :, :end]

    def _empty(self, like: Tensor) -> Tensor:
        rows, heads, _, width = like.shape
        return like.new_empty(rows, heads, self.room, width, dtype=self.dtype)

    def _grow(self, end: int) -> None:
        self.room = -(-end // BLOCK) * BLOCK
        old, self.states = self.states, self._empty(self.states)
        self.states[:, :, : self.length] = old[:, :, : self.length]

    def keep(self, rows: list[int]) -> None:
        """Forget all rows but these."""
        if self.states is not None:
            index = torch.tensor(rows, dtype=torch.long, device=self.states.device)
            self.states = self.states.index_select(0, index)

    @property
    def nbytes(self) -> int:
        """Bytes held, used or not."""
        return 0 if self.states is None else self.states.nbytes


class SegmentCache:
    """Keys [rows, heads, positions, h] and values [rows, heads, positions, h] of a segment.

    Keys and values may have different numbers of heads.
    """

    def __init__(self, room: int) -> None:
        self.keys, self.values = Grown(room), Grown(room)

    def put(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append positions and return all keys and values so far, as views."""
        return self.keys.put(keys), self.values.put(values)

    def keep(self, rows: list[int]) -> None:
        """Forget all rows but these."""
        self.keys.keep(rows)
        self.values.keep(rows)

    def rewind(self, length: int) -> None:
        """Forget all positions but the first `length`."""
        self.keys.length = self.values.length = length

    @property
    def nbytes(self) -> int:
        """Bytes held, used or not."""
        return self.keys.nbytes + self.values.nbytes
