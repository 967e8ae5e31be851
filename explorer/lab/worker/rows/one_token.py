"""Attention of one new token a row, as two batched products in float32.

A CPU's attention kernel takes its time by the call and by the head; for a query a head and some
hundred keys the two products take half as long, and a bias of some rows' scores costs a sum.
"""

import torch
from torch import Tensor

FEW_KEYS = 512  # beyond, copying 16-bit keys to float32 costs more than is gained


def worth_it(query: Tensor, keys: Tensor) -> bool:
    """Whether `attend_one` is the quick way for queries [n, H, M, h] and keys [n, G, L, h]."""
    rows, _, length, _ = query.shape
    few = rows > 1 and length == 1 and keys.shape[2] <= FEW_KEYS
    return few and query.device.type == "cpu"


def attend_one(  # noqa: PLR0913  # what an attention reads
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    scaling: float,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    start: int = 0,
) -> Tensor:
    """softmax(scaling · q kᵀ + bias) v for query [n, H, 1, h], keys and values [n, G, L, h].

    bias [m, H or 1, 1, L] is added to the scaled scores of the rows from `start` on; mask
    [n, 1, 1, L] is true for keys that are seen.
    """
    rows, heads, _, width = query.shape
    wide = query.to(torch.float32).reshape(rows * keys.shape[1], -1, width)
    keys, values = (states.flatten(0, 1).to(torch.float32) for states in (keys, values))
    # with beta 0 the first argument is not read
    scores = torch.baddbmm(wide[:1, :1, :1], wide, keys.transpose(1, 2), beta=0, alpha=scaling)
    if bias is not None or mask is not None:
        by_row = scores.view(rows, heads, 1, -1)
        if bias is not None:
            by_row.narrow(0, start, bias.shape[0]).add_(bias)
        if mask is not None:
            by_row.masked_fill_(~mask, float("-inf"))
    heads_of = torch.bmm(torch.softmax(scores, dim=-1), values)
    return heads_of.view(query.shape).to(query.dtype)
