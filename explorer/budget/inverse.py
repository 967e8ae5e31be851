"""The questions turned round: the most that fits, and the least device that suffices."""

from collections.abc import Callable

from explorer.budget.fit import comparable_devices, fit_of
from explorer.budget.matrix import known_models
from explorer.budget.memory import memory_of
from explorer.budget.plan import MOST_TOKENS, Plan
from explorer.budget.resolve import resolve
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError

MOST_BATCH = 65_536


def fits(plan: Plan, catalogue: Catalogue) -> bool:
    """Whether the plan's memory fits its device."""
    resolved = resolve(plan, catalogue)
    return fit_of(memory_of(resolved).total, resolved.hardware).fits


def largest_batch(plan: Plan, catalogue: Catalogue) -> int:
    """The most sequences in a micro-batch that fit; 0 when not even one does."""
    return _largest(lambda n: fits(plan.with_values(batch=n), catalogue), MOST_BATCH)


def longest_sequence(plan: Plan, catalogue: Catalogue) -> int:
    """The most tokens a sequence (or, in inference, a context) that fit; 0 when none do."""

    def suffices(length: int) -> bool:
        positions = plan.loss_positions and min(plan.loss_positions, length)
        prompt = plan.prompt and min(plan.prompt, length)
        shorter = plan.with_values(length=length, loss_positions=positions, prompt=prompt)
        return fits(shorter, catalogue)

    return _largest(suffices, MOST_TOKENS)


def largest_rank(plan: Plan, catalogue: Catalogue) -> int | None:
    """The highest rank that fits; None for a method that has no knob `r`."""
    knob = catalogue.method(plan.method).knobs.get("r")
    if knob is None or knob.max is None:
        return None
    return _largest(
        lambda r: fits(plan.with_values(knobs={**plan.knobs, "r": r}), catalogue), int(knob.max)
    )


def smallest_device(plan: Plan, catalogue: Catalogue) -> str | None:
    """The device like the plan's with the least memory, then bandwidth, on which the plan fits."""
    for device in comparable_devices(plan, catalogue):
        if fits(plan.with_values(hardware=device.id), catalogue):
            return device.id
    return None


def largest_model(plan: Plan, catalogue: Catalogue) -> str | None:
    """The model with the most parameters that fits with the plan's method and settings."""
    best: tuple[int, str] | None = None
    for model in known_models(catalogue):
        try:
            resolved = resolve(plan.with_values(model=model, architecture=None), catalogue)
        except ExplorerError:
            continue  # its targets or layers do not exist in this model
        size = resolved.params.total
        enough = fit_of(memory_of(resolved).total, resolved.hardware).fits
        if enough and (best is None or size > best[0]):
            best = size, model
    return best[1] if best else None


def _largest(suffices: Callable[[int], bool], most: int) -> int:
    """The largest whole number up to `most` that suffices, if smaller ones suffice as well."""
    if not suffices(1):
        return 0
    low = 1
    while low < most and suffices(min(low * 2, most)):
        low = min(low * 2, most)
    high = min(low * 2, most + 1)
    while high - low > max(1, low // 2000):  # four digits are enough for a long context
        middle = (low + high) // 2
        low, high = (middle, high) if suffices(middle) else (low, middle)
    return low
