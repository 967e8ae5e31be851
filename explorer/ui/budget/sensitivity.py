"""View: how memory and trained parameters move with rank, length and batch."""

from explorer.budget.memory import memory_of
from explorer.budget.resolve import resolve
from explorer.catalogue.errors import ExplorerError
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
    return sensitivity(sweep(case, against), measure, theme)


def sweep(case: Case, against: str) -> Sweep:
    """Plans that differ from this one in one number. ExplorerError where it has no such number."""
    here = _here(case, against)
    knob = case.budget.resolved.method.knobs.get("r")
    steps = sorted({*STEPS[against], here})
    if against == "r" and knob is not None:
        steps = [n for n in steps if (knob.min or 0) <= n <= (knob.max or n)]
        steps = [n for n in steps if not (knob.even and n % 2)]
    points: list[Point] = []
    fit = case.budget.fit
    enough = TWICE * max(fit.usable, case.budget.memory.total)
    for value in steps:
        if points and value > here and sum(points[-1].memory.values()) > enough:
            break  # far beyond the device, where nothing is left to read off
        changed = {"knobs": {**case.plan.knobs, "r": value}} if against == "r" else {against: value}
        if against == "length":
            changed |= {"loss_positions": None, "prompt": None}
        try:
            resolved = resolve(case.plan.with_values(**changed), case.catalogue)
            parts = peak_parts(memory_of(resolved))
        except ExplorerError:  # this rank does not suit the method's other knobs: a gap
            continue
        points.append(Point(value, parts, resolved.trainable.total))
    return Sweep(LABELS[against], here, tuple(points), case.device_name, fit.usable)


def _here(case: Case, against: str) -> int:
    if against != "r":
        return int(getattr(case.plan, against))
    method = case.budget.resolved.method
    rank = case.budget.resolved.knobs.get("r")
    if "r" not in method.knobs:
        raise ExplorerError(f"{method.name} has no rank to vary; length and batch are there.")
    return int(rank or 1)
