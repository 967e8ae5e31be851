"""Many plans at once: methods by devices, models by devices, and everything by everything."""

from collections.abc import Iterable
from dataclasses import dataclass

from explorer.budget.fit import Verdict, usable_bytes, verdict_of
from explorer.budget.forecast import obstacles
from explorer.budget.memory import framework_bytes, memory_of
from explorer.budget.plan import Plan
from explorer.budget.resolve import resolve
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError

Devices = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Row:
    """One model with one method: its memory on a GPU, and the verdict for every device.

    Where the plan cannot be (a layer that the model lacks, quantized weights that are to train) or
    cannot be run (a method that its library refuses on this model), `reason` says why, the bytes
    are None and there are no verdicts.
    """

    model: str
    method: str
    trainable: int | None
    total: int | None
    verdicts: dict[str, Verdict]
    reason: str | None = None


def plan_rows(plans: Iterable[Plan], catalogue: Catalogue) -> list[Row]:
    """Each of these plans."""
    devices = _devices(catalogue)
    return [_row(plan, plan.model, plan.method, catalogue, devices) for plan in plans]


def model_rows(plan: Plan, catalogue: Catalogue) -> list[Row]:
    """Every model whose shape is known, with the plan's method and knobs."""
    devices = _devices(catalogue)
    models = known_models(catalogue)
    return [_row(plan, model, plan.method, catalogue, devices) for model in models]


def all_rows(plan: Plan, catalogue: Catalogue) -> list[Row]:
    """Every model with every method, the methods' own defaults for their knobs."""
    devices = _devices(catalogue)
    return [
        _row(plan, model, method, catalogue, devices)
        for model in known_models(catalogue)
        for method in catalogue.methods
    ]


def known_models(catalogue: Catalogue) -> Iterable[str]:
    """Ids of the models whose shape was published."""
    return (m.id for m in catalogue.models.values() if m.architecture is not None)


def _devices(catalogue: Catalogue) -> Devices:
    """Each device with the framework's allowance on it and its usable bytes."""
    return tuple(
        (device.id, framework_bytes(device.kind), usable_bytes(device))
        for device in catalogue.hardware.values()
    )


def _row(plan: Plan, model: str, method: str, catalogue: Catalogue, devices: Devices) -> Row:
    values = {"model": model, "method": method}
    if model != plan.model:
        values["architecture"] = None
    if method != plan.method:
        values["knobs"] = {}
    try:
        resolved = resolve(plan.with_values(**values), catalogue)
        if against := obstacles(resolved):
            return Row(model, method, resolved.trainable.total, None, {}, " ".join(against))
        memory = memory_of(resolved)
    except ExplorerError as error:
        return Row(model, method, None, None, {}, str(error))
    own = memory.total - memory.terms["framework"]
    verdicts = {
        device: verdict_of(own + framework, usable) for device, framework, usable in devices
    }
    return Row(model, method, resolved.trainable.total, memory.total, verdicts)
