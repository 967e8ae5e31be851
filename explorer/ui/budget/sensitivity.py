"""View: how memory and trained parameters move with rank, length and batch."""

from explorer.budget.forecast import Budget
from explorer.budget.memory import memory_of
from explorer.budget.resolve import resolve
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.figures.budget import Point, Sweep, sensitivity
from explorer.figures.chart import Chart
from explorer.figures.theme import Theme
from explorer.ui.budget.case import Case, peak_parts

AGAINST = {"length": "Length", "batch": "Batch", "r": "Rank"}
MEASURES = {"memory": "Peak memory", "trainable": "Trained parameters"}
LABELS = {"length": "tokens a sequence", "batch": "sequences in a micro-batch", "r": "rank r"}
TWICE = 2.0
STEPS = {
    "length": tuple(2**power for power in range(7, 18)),
    "batch": tuple(2**power for power in range(9)),
    "r": tuple(2**power for power in range(10)),
}


def chart(case: Case, against: str, measure: str, theme: Theme) -> Chart:
    """The chosen curve around this plan."""
    return sensitivity(sweep(case.budget, case.catalogue, against), measure, theme)


def sweep(budget: Budget, catalogue: Catalogue, against: str) -> Sweep:
    """Plans that differ from this one in one number. ExplorerError where it has no such number."""
    if against not in STEPS:
        raise unknown("number to vary", against, STEPS)
    here, fit = _here(budget, against), budget.fit
    points: list[Point] = []
    enough = TWICE * max(fit.usable, budget.memory.total)
    for value in _steps(budget, against, here):
        if points and value > here and sum(points[-1].memory.values()) > enough:
            break  # far beyond the device, where nothing is left to read off
        changed = {against: value}
        if against == "r":
            changed = {"knobs": {**budget.plan.knobs, "r": value}}
        elif against == "length":
            changed |= {"loss_positions": None, "prompt": None}
        try:
            resolved = resolve(budget.plan.with_values(**changed), catalogue)
            parts = peak_parts(memory_of(resolved))
        except ExplorerError:  # this rank does not suit the method's other knobs: a gap
            continue
        points.append(Point(value, parts, resolved.trainable.total))
    device = str(budget.resolved.hardware.name.value)
    return Sweep(LABELS[against], here, tuple(points), device, fit.usable)


def _steps(budget: Budget, against: str, here: int) -> list[int]:
    steps = sorted({*STEPS[against], here})
    knob = budget.resolved.method.knobs.get("r")
    if against != "r" or knob is None:
        return steps
    steps = [n for n in steps if (knob.min or 0) <= n <= (knob.max or n)]
    return [n for n in steps if not (knob.even and n % 2)]


def _here(budget: Budget, against: str) -> int:
    if against != "r":
        return int(getattr(budget.plan, against))
    method = budget.resolved.method
    if "r" not in method.knobs:
        raise ExplorerError(f"{method.name} has no rank to vary; length and batch are there.")
    return int(budget.resolved.knobs.get("r") or 1)
