"""What to change when a plan does not fit: the cheapest changes that make it fit."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from explorer.budget.fit import comparable_devices, fit_of
from explorer.budget.flops import flops_of
from explorer.budget.memory import framework_bytes, memory_of
from explorer.budget.plan import OWN_WEIGHTS, Plan, make_plan
from explorer.budget.resolve import resolve
from explorer.budget.time import time_of
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.hardware import Hardware

MOST_CHANGES = 3  # in one suggestion


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

    Singles and pairs are tried, and triples where these do not yield `wanted`. What changes nothing
    about the result comes before what rounds, that before what trains something else, and other
    hardware last. A plan that fits already needs none.
    """
    if _fits(plan, catalogue):
        return []
    changes = [c for c in _changes(plan) if _possible(plan, c.values, catalogue)]
    moves = [(_move(device), device) for device in comparable_devices(plan, catalogue)]
    before = _seconds(plan, catalogue)
    found: list[Suggestion] = []
    for count in range(1, MOST_CHANGES + 1):
        if count > 2 and len(found) >= wanted:
            break
        for picked in _that_fit(plan, changes, moves, count, catalogue):
            if any(_suffices(s.changes, picked) for s in found):
                continue
            candidate = plan.with_values(**_values(picked))
            after = _seconds(candidate, catalogue)
            slower = after / before if before and after else None
            total = memory_of(resolve(candidate, catalogue)).total
            found.append(Suggestion(picked, candidate, total, slower))
    found.sort(key=lambda suggestion: _rank(suggestion, catalogue))
    return found[:wanted]


def _rank(found: Suggestion, catalogue: Catalogue) -> tuple[float, ...]:
    memory = catalogue.device(found.plan.hardware).memory_bytes.value or 0
    return found.harm, len(found.changes), found.plan.devices, memory, found.slower or 1.0


def _suffices(less: tuple[Change, ...], more: tuple[Change, ...]) -> bool:
    """Whether what suffices is part of these changes, with as many devices or fewer."""
    least, most = (_values(changes).get("devices", 1) for changes in (less, more))
    others = {change for change in less if "devices" not in change.values}
    return others <= set(more) and least <= most


def _that_fit(
    plan: Plan,
    changes: list[Change],
    moves: list[tuple[Change, Hardware]],
    count: int,
    catalogue: Catalogue,
) -> Iterator[tuple[Change, ...]]:
    """So many changes at a time that make the plan fit; a move is to the smallest device."""
    for picked in _combinations(changes, count):
        if _fits(plan.with_values(**_values(picked)), catalogue):
            yield picked
    for picked in _combinations(changes, count - 1):
        memory = memory_of(resolve(plan.with_values(**_values(picked)), catalogue))
        if fit_of(memory.total, catalogue.device(plan.hardware)).fits:
            continue
        for move, device in moves:
            if fit_of(memory.allocated + framework_bytes(device.kind), device).fits:
                yield (*picked, move)
                break


def _combinations(changes: list[Change], count: int) -> Iterator[tuple[Change, ...]]:
    """So many changes at a time, none of which sets what another sets."""
    for picked in combinations(changes, count):
        keys = [key for change in picked for key in change.values]
        if len(keys) == len(set(keys)):
            yield picked


def _values(picked: tuple[Change, ...]) -> dict[str, Any]:
    return {key: value for change in picked for key, value in change.values.items()}


def _changes(plan: Plan) -> Iterator[Change]:
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
    yield from _hardware_changes(plan)


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
        values = values | {"quantization": "nf4", "double_quantization": True}
        yield Change("QLoRA instead of all weights", values, "4-bit weights, low-rank updates", 2)


def _hardware_changes(plan: Plan) -> Iterator[Change]:
    if plan.mode == "training" and plan.devices == 1:
        for count in (2, 4, 8):
            values = {"devices": count, "sharding": "fsdp"}
            yield Change(f"Shard over {count} devices", values, f"{count} devices", 3)


def _move(device: Hardware) -> Change:
    memory = (device.memory_bytes.value or 0) / 2**30
    price = device.price_per_hour_usd.value
    cost = f"{memory:,.0f} GiB" + (f" at ${price:.2f} an hour" if price else "")
    return Change(f"Run on {device.name.value or device.id}", {"hardware": device.id}, cost, 3)


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
