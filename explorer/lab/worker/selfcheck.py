"""Is each column what it says? The base must be untouched, an adapter must change its answers."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax

from explorer.lab.events import SelfCheck
from explorer.lab.worker.decode import Decoding
from explorer.lab.worker.rows.column import Column
from explorer.lab.worker.rows.lanes import make_lanes
from explorer.lab.worker.shelf import Loaded, probe

# Logits that come about in another order of summing differ by less, relative to the largest.
SAME = {torch.float32: 1e-4, torch.bfloat16: 0.05, torch.float16: 0.01}


def self_checks(
    columns: Sequence[Column], stands_on: Sequence[Loaded], prompt: list[int]
) -> Iterator[SelfCheck | None]:
    """One check a column, at the first new token of the prompt.

    What the columns give side by side is held against a forward pass of each model by itself.
    """
    together = {}
    for lane in make_lanes(columns):
        for logits in lane.runner.prefill(torch.tensor(prompt, device=lane.base.device), 1):
            together |= dict(zip(lane.columns, logits.float(), strict=True))  # the last one stays
            yield None
    bases: dict[int, Tensor] = {}
    for place, (column, loaded) in enumerate(zip(columns, stands_on, strict=True)):
        if id(loaded) not in bases:
            bases[id(loaded)] = alone(loaded.model, prompt)
            yield None
        base = bases[id(loaded)]
        if column.parts:
            yield _adapter(column, loaded, together[place], base, prompt)
        else:
            yield _base(column, loaded, together[place], base)


def alone(model: nn.Module, prompt: list[int]) -> Tensor:
    """Logits [V] of the first new token, by the model itself and nothing else in the batch."""
    return Decoding(model, pad_id=0).start([prompt])[0]


def _base(column: Column, loaded: Loaded, told: Tensor, base: Tensor) -> SelfCheck:
    """The weights give what they gave when they came off the disk, and the column gives that."""
    since_loading = _difference(probe(loaded.model), loaded.probed)
    side_by_side = _difference(told, base)
    return SelfCheck(
        column=column.name,
        passed=since_loading == 0 and _same(side_by_side, base, loaded),
        max_difference=max(since_loading, side_by_side),
        alone_difference=side_by_side,
        kl=0.0,
        note="" if since_loading == 0 else "the base's weights have changed since they were loaded",
    )


def _adapter(
    column: Column, loaded: Loaded, told: Tensor, base: Tensor, prompt: list[int]
) -> SelfCheck:
    side_by_side = _difference(told, alone(column.parts[0].model, prompt))
    changed = _difference(told, base)
    divergence = kl_div(
        log_softmax(base, -1), log_softmax(told, -1), reduction="sum", log_target=True
    )
    noticeable = not _same(changed, base, loaded)
    return SelfCheck(
        column=column.name,
        passed=noticeable and _same(side_by_side, base, loaded),
        max_difference=changed,
        alone_difference=side_by_side,
        kl=max(0.0, float(divergence)),
        note="" if noticeable else "this adapter changes nothing at this prompt",
    )


def _difference(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


def _same(difference: float, logits: Tensor, loaded: Loaded) -> bool:
    return difference <= SAME[loaded.dtype] * max(1.0, float(logits.abs().max()))
