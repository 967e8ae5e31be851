"""What to change when a plan does not fit: the cheapest changes that make it fit."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from explorer.budget.fit import fit_of
from explorer.budget.flops import flops_of
from explorer.budget.memory import memory_of
from explorer.budget.plan import OWN_WEIGHTS, Plan, make_plan
from explorer.budget.resolve import resolve
from explorer.budget.time import time_of
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError


@dataclass(frozen=True, eq=False)
class Change:
    """One change of a plan: what to do, the settings it sets, and what it costs.

    `harm` orders changes that take equally long: 0 changes nothing about the result, 1 rounds the
    weights or the optimizer, 2 trains something else, 3 needs other hardware.
    """

    what: str
    values: dict[str, Any]
    cost: str
    harm: int


@dataclass(frozen=True)
class Suggestion:
    """Changes that together make the plan fit, with the memory and the time they lead to."""

    changes: tuple[Change, ...]
    plan: Plan
    total: int
    slower: float | None  # times the time of the plan as it was

    @property
    def harm(self) -> int:
        """That of the gravest change."""
        return max(change.harm for change in self.changes)


def suggestions(plan: Plan, catalogue: Catalogue, wanted: int = 3) -> list[Suggestion]:
    """The cheapest changes that make the plan fit its device, cheapest first.

    Single changes come first; where fewer than `wanted` of them suffice, pairs and then triples
    are tried. A plan that fits already needs none.
    """
    found: list[Suggestion] = []
    if _fits(plan, catalogue):
        return found
    changes = [c for c in _changes(plan, catalogue) if _possible(plan, c.values, catalogue)]
    before = _seconds(plan, catalogue)
    for picked in _combinations(changes):
        if len(found) >= wanted and len(picked) > len(found[-1].changes):
            break
        if any(set(s.changes) <= set(picked) for s in found):
            continue  # a part of it suffices
        values = {key: value for change in picked for key, value in change.values.items()}
        candidate = plan.with_values(**values)
        total = memory_of(resolve(candidate, catalogue)).total
        if fit_of(total, catalogue.device(candidate.hardware)).fits:
            after = _seconds(candidate, catalogue)
            slower = after / before if before and after else None
            found.append(Suggestion(picked, candidate, total, slower))
    found.sort(key=lambda s: (len(s.changes), s.harm, s.slower or 1.0))
    return found[:wanted]


def _combinations(changes: list[Change]) -> Iterator[tuple[Change, ...]]:
    """Singles, then pairs, then triples of changes to different settings."""
    layers: list[tuple[Change, ...]] = [()]
    for _ in range(3):
        longer = []
        for picked in layers:
            start = changes.index(picked[-1]) + 1 if picked else 0
            taken = {key for change in picked for key in change.values}
            longer += [(*picked, c) for c in changes[start:] if not taken & set(c.values)]
        layers = longer
        yield from layers


def _changes(plan: Plan, catalogue: Catalogue) -> Iterator[Change]:
    if plan.mode == "training":
        yield from _training_changes(plan)
    if not plan.is_quantized and not (plan.mode == "training" and plan.method in OWN_WEIGHTS):
        values = {"quantization": "nf4", "double_quantization": True}
        yield Change("Hold the linears in NF4", values, "weights are rounded to 4 bits", 1)
    if plan.quantization == "int8":
        values = {"quantization": "nf4", "double_quantization": True}
        yield Change("NF4 instead of int8", values, "weights are rounded to 4 bits", 1)
    if plan.mode == "inference" and plan.kv_dtype in ("bfloat16", "float16"):
        yield Change("Cache in 8 bits", {"kv_dtype": "int8"}, "keys and values are rounded", 1)
    if plan.length > 128:
        half = plan.length // 2
        values = {"length": half, "loss_positions": None, "prompt": None}
        yield Change(f"Sequences of {half:,} tokens", values, "longer texts are cut", 2)
    yield from _hardware_changes(plan, catalogue)


def _training_changes(plan: Plan) -> Iterator[Change]:
    if not plan.loss_chunk:
        words = "a fused loss such as Liger's or cut cross entropy"
        yield Change("Compute head and loss in chunks", {"loss_chunk": 1024}, words, 0)
    if not plan.checkpointing:
        yield Change("Checkpoint the layers", {"checkpointing": True}, "layers run twice", 0)
    if plan.batch > 1:
        values = {"batch": 1, "accumulation": plan.accumulation * plan.batch}
        words = "the same batch in more, smaller passes"
        yield Change("One sequence at a time, accumulated", values, words, 0)
    if plan.optimizer in ("adamw", "paged-adamw"):
        words = "its states are rounded to 8 bits"
        yield Change("AdamW with 8-bit states", {"optimizer": "adamw-8bit"}, words, 1)
    if plan.method in OWN_WEIGHTS:
        values = {"method": "lora", "knobs": {}}
        yield Change("LoRA instead of all weights", values, "only low-rank updates are learnt", 2)
        values |= {"quantization": "nf4", "double_quantization": True}
        yield Change("QLoRA instead of all weights", values, "4-bit weights, low-rank updates", 2)


def _hardware_changes(plan: Plan, catalogue: Catalogue) -> Iterator[Change]:
    if plan.mode == "training" and plan.devices == 1:
        for count in (2, 4, 8):
            values = {"devices": count, "sharding": "fsdp"}
            yield Change(f"Shard over {count} devices", values, f"{count} devices", 3)
    for device in catalogue.hardware.values():
        if device.kind == catalogue.device(plan.hardware).kind and device.id != plan.hardware:
            name = device.name.value or device.id
            yield Change(f"Run on {name}", {"hardware": device.id}, "another device", 3)


def _possible(plan: Plan, values: dict[str, Any], catalogue: Catalogue) -> bool:
    try:
        resolve(make_plan(**(dict(plan) | values)), catalogue)
    except ExplorerError:
        return False
    return True


def _fits(plan: Plan, catalogue: Catalogue) -> bool:
    resolved = resolve(plan, catalogue)
    return fit_of(memory_of(resolved).total, resolved.hardware).fits


def _seconds(plan: Plan, catalogue: Catalogue) -> float | None:
    resolved = resolve(plan, catalogue)
    return time_of(resolved, flops_of(resolved), memory_of(resolved)).seconds
