"""Rows that read different prompts in one batch: padded on the left, and what that hides."""

from collections.abc import Sequence

import torch
from torch import Tensor


def left_padded(prompts: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Prompts as one tensor, and how many places of padding each row begins with.

    Prompts that are all the same come back as one, [M]; else [B, M] with the padding [B], which
    is None where all are as long.
    """
    first = prompts[0]
    if all(torch.equal(first, other) for other in prompts):
        return first, None
    lengths = [len(prompt) for prompt in prompts]
    longest = max(lengths)
    ids = first.new_zeros(len(prompts), longest)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = prompt
    if len(set(lengths)) == 1:
        return ids, None
    return ids, torch.tensor([longest - length for length in lengths], device=first.device)


def padded_mask(length: int, past: int, prefix: int, padding: Tensor) -> Tensor:
    """[n, 1, M, past + M], true where a token may look: at itself and before, not at padding.

    A place of padding looks at itself, or its softmax would be over nothing; nobody looks at it.
    `prefix` positions stand in the cache before the padding and are seen by all.
    """
    keys = torch.arange(past + length, device=padding.device)
    queries = keys[past:, None]
    real = (keys < prefix) | (keys >= prefix + padding[:, None])
    return ((keys <= queries) & real[:, None] | (keys == queries))[:, None]
