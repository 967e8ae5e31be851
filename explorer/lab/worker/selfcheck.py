"""Is each column what it says? The base must be untouched, an adapter must change its answers."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax

from explorer.lab.events import SelfCheck
from explorer.lab.worker.decode import Decoding
from explorer.lab.worker.merging import merged, why_not_merged
from explorer.lab.worker.rows.alone import interpolated
from explorer.lab.worker.rows.column import Column
from explorer.lab.worker.rows.lanes import make_lanes
from explorer.lab.worker.rows.padding import left_padded
from explorer.lab.worker.shelf import Loaded, probe
from explorer.methods.tuner import LlamaTuner

# Logits that come about in another order of summing differ by less, relative to the largest.
SAME = {torch.float32: 1e-4, torch.bfloat16: 0.05, torch.float16: 0.01}
# In 16 bits an adapter's own modules round where its row does not (LLaMA-Excitor's keys, say), and
# the more it changes, the more they do. Another adapter's answer would be off by the whole change.
SHARE = {torch.float32: 0.0, torch.bfloat16: 0.1, torch.float16: 0.03}


def self_checks(
    columns: Sequence[Column], stands_on: Sequence[Loaded], prompts: Sequence[list[int]]
) -> Iterator[SelfCheck | None]:
    """One check a column, at the first new token of its prompt.

    What the columns give side by side is held against a forward pass of each model by itself.
    """
    together: dict[int, Tensor] = {}
    reasons: dict[int, str] = {}
    for lane in make_lanes(columns):
        asked = [torch.tensor(prompts[place], device=lane.base.device) for place in lane.columns]
        ids, padding = left_padded(asked)
        for logits in lane.runner.prefill(ids, 1, padding=padding):
            together |= dict(zip(lane.columns, logits.float(), strict=True))  # the last one stays
            yield None
        reasons |= dict.fromkeys(lane.columns, lane.why_alone)
    bases: dict[tuple[int, ...], Tensor] = {}
    for place, (column, loaded) in enumerate(zip(columns, stands_on, strict=True)):
        prompt = prompts[place]
        key = (id(loaded), *prompt)
        if key not in bases:
            bases[key] = alone(loaded.model, prompt)
            yield None
        told, base = together[place], bases[key]
        if not column.parts:
            yield _base(column, loaded, told, base)
            continue
        own = by_itself(column, prompt)
        yield None
        difference, note = _merged(column, own, prompt)
        yield None
        check = _adapter(column, loaded, told, base, own)
        changes = {"alone": reasons[place], "merged_difference": difference, "merged_note": note}
        fits = difference is None or _same(difference, base, loaded)
        yield check.model_copy(update={**changes, "passed": check.passed and fits})


def alone(model: nn.Module, prompt: list[int]) -> Tensor:
    """Logits [V] of the first new token, by the model itself and nothing else in the batch."""
    return Decoding(model, pad_id=0).start([prompt])[0]


def by_itself(column: Column, prompt: list[int]) -> Tensor:
    """Logits [V] of a column's adapters by their own modules, at their strengths, not as a row."""
    first, *others = column.parts
    if len(column.parts) == 1 and first.strength in (0, 1):
        return alone(first.model if first.strength else column.base, prompt)
    tuner = getattr(first.model, "base_model", None)
    if not others and isinstance(tuner, LlamaTuner):
        name = first.model.active_adapter
        tuner.set_strength(name, first.strength)
        try:
            return alone(first.model, prompt)
        finally:
            tuner.set_strength(name, 1.0)
    more = [(part.model, part.strength) for part in others]
    with interpolated(first.model, column.base, first.strength, more):
        return alone(first.model, prompt)


def _merged(column: Column, own: Tensor, prompt: list[int]) -> tuple[float | None, str]:
    """How far the merged adapter's logits are from its own; None and why, where it is not."""
    if len(column.parts) > 1 or column.parts[0].strength != 1:
        return None, "only an adapter by itself and as trained is merged"
    (part,) = column.parts
    why = why_not_merged(part.model)
    if why:
        return None, why
    with merged(part.model):
        return _difference(alone(part.model, prompt), own), ""


def _base(column: Column, loaded: Loaded, told: Tensor, base: Tensor) -> SelfCheck:
    """The weights give what they gave when they came off the disk, and the column gives that."""
    since_loading = _difference(probe(loaded.model), loaded.probed)
    side_by_side = _difference(told, base)
    return SelfCheck(
        column=column.name,
        passed=since_loading == 0 and _same(side_by_side, base, loaded),
        max_difference=max(since_loading, side_by_side),
        alone_difference=side_by_side,
        norm_difference=float((told - base).norm()),
        kl=0.0,
        note="" if since_loading == 0 else "the base's weights have changed since they were loaded",
    )


def _adapter(column: Column, loaded: Loaded, told: Tensor, base: Tensor, own: Tensor) -> SelfCheck:
    side_by_side = _difference(told, own)
    changed = _difference(told, base)
    divergence = kl_div(
        log_softmax(base, -1), log_softmax(told, -1), reduction="sum", log_target=True
    )
    off = all(part.strength == 0 for part in column.parts)
    noticeable = not _same(changed, base, loaded)
    agrees = _same(side_by_side, own, loaded) or side_by_side <= SHARE[loaded.dtype] * changed
    note = "" if noticeable else "this adapter changes nothing at this prompt"
    if off:
        note = "at strength 0 it differs from the base" if noticeable else "strength 0: the base"
    return SelfCheck(
        column=column.name,
        passed=noticeable != off and agrees,
        max_difference=changed,
        alone_difference=side_by_side,
        norm_difference=float((told - base).norm()),
        kl=max(0.0, float(divergence)),
        note=note,
    )


def _difference(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


def _same(difference: float, logits: Tensor, loaded: Loaded) -> bool:
    return difference <= SAME[loaded.dtype] * max(1.0, float(logits.abs().max()))
