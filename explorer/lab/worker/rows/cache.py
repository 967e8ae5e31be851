"""Keys and values of a batch, kept in place and grown by blocks."""

import torch
from torch import Tensor

BLOCK = 128  # positions that are added at once when the room is used up


class SegmentCache:
    """Keys [rows, heads, positions, h] and values [rows, heads, positions, h] of a segment.

    Keys and values may have different numbers of heads. Memory is taken with the first positions,
    for `room` of them, and more when that is used up.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.length = 0
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def put(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append positions and return all keys and values so far, as views."""
        end = self.length + keys.shape[2]
        if self.keys is None:
            self.room = max(self.room, end)
            self.keys, self.values = (self._empty(states) for states in (keys, values))
        elif end > self.room:
            self._grow(end)
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def _empty(self, states: Tensor) -> Tensor:
        rows, heads, _, head_dim = states.shape
        return states.new_empty(rows, heads, self.room, head_dim)

    def _grow(self, end: int) -> None:
        self.room = -(-end // BLOCK) * BLOCK
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = self._empty(old)
            new[:, :, : self.length] = old[:, :, : self.length]
            setattr(self, name, new)

    def keep(self, rows: list[int]) -> None:
        """Forget all rows but these."""
        index = torch.tensor(rows, device=self.keys.device)
        self.keys = self.keys.index_select(0, index)
        self.values = self.values.index_select(0, index)

    @property
    def nbytes(self) -> int:
        """Bytes held, used or not."""
        return 0 if self.keys is None else self.keys.nbytes + self.values.nbytes
