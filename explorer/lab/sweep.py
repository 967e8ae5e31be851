"""A sweep: one method over a grid of settings, as one job with a heat map."""

import itertools
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.catalogue.knob import Knob
from explorer.lab.job import TrainJob, make_job
from explorer.lab.race import MOST_RUNS

SETTINGS: dict[str, type[int] | type[float]] = {
    "learning_rate": float, "batch_size": int, "steps": int, "seed": int, "warmup_steps": int,
}  # fmt: skip
ALTERNATIVES = "|"
MOST_AXES = 2

Axes = Mapping[str, Sequence[str]]


def read_axes(text: str) -> dict[str, tuple[str, ...]]:
    """`r=4|8|16; learning_rate=0.001|0.002` as values by setting.

    Raises ExplorerError for a part of another form, and for one value alone.
    """
    axes: dict[str, tuple[str, ...]] = {}
    for part in filter(None, (part.strip() for part in text.replace("\n", ";").split(";"))):
        name, equals, given = (piece.strip() for piece in part.partition("="))
        values = tuple(dict.fromkeys(value.strip() for value in given.split(ALTERNATIVES)))
        if not (equals and name and all(values)):
            raise ExplorerError(f"{part!r:.80} is not of the form setting=value|value|….")
        if len(values) < 2:
            raise ExplorerError(f"{name} has one value, {given!r:.40}: a sweep needs two or more.")
        if name in axes:
            raise ExplorerError(f"{name} is named twice: write all its values behind one =.")
        axes[name] = values
    return axes


def make_sweep(
    catalogue: Catalogue,
    task: str,
    method: str,
    axes: Axes,
    prune: bool = True,
    **given: Any,
) -> list[TrainJob]:
    """The jobs of a sweep: every combination of the axes' values, knobs or settings of the run.

    With `prune`, runs that fall behind the median of the others are given up. Raises ExplorerError
    where one of the jobs cannot be made, before any has begun.
    """
    if not axes:
        raise ExplorerError("A sweep needs a setting to vary, like r=4|8|16.")
    if len(axes) > MOST_AXES:
        raise ExplorerError(f"{len(axes)} settings at once: a heat map has {MOST_AXES} sides.")
    known = (*catalogue.method(method).knobs, *SETTINGS)
    for name in axes:
        if name not in known:
            raise unknown("setting", name, known)
    knobs_of = catalogue.method(method).knobs
    for name, values in axes.items():
        _demand_distinct(name, values, knobs_of.get(name))
    cells = list(itertools.product(*axes.values()))
    if len(cells) > MOST_RUNS:
        raise ExplorerError(f"{len(cells)} combinations: a sweep has at most {MOST_RUNS} runs.")
    race = secrets.token_hex(6)
    jobs = []
    for cell in cells:
        values = dict(zip(axes, cell, strict=True))
        knobs = {name: value for name, value in values.items() if name not in SETTINGS}
        own = {name: _number(name, value) for name, value in values.items() if name in SETTINGS}
        label = ", ".join(f"{name} {value}" for name, value in values.items())
        jobs.append(
            make_job(
                catalogue, task, method, knobs, **given | own, label=label, race=race, prune=prune
            )
        )
    return jobs


def _demand_distinct(name: str, values: Sequence[str], knob: Knob | None) -> None:
    """Two spellings of one value would be the same run twice."""
    spelt: dict[Any, str] = {}
    for value in values:
        meant = knob.read(name, value) if knob else _number(name, value)
        if meant in spelt:
            raise ExplorerError(f"{name}: {spelt[meant]} and {value} are the same value.")
        spelt[meant] = value


def _number(name: str, text: str) -> int | float:
    """The value of a run's setting; raises ExplorerError for one that is no such number."""
    kind = SETTINGS[name]
    try:
        return kind(text)
    except ValueError as error:
        needed = "a whole number" if kind is int else "a number"
        raise ExplorerError(f"{name} = {text!r:.40}: it takes {needed}.") from error


def varying(jobs: Sequence[TrainJob]) -> list[str]:
    """The settings in which the jobs differ, knobs first; empty unless all are of one method."""
    if len({(job.method, job.task, job.base) for job in jobs}) != 1:
        return []
    names = [*jobs[0].knobs, *SETTINGS]
    return [name for name in names if len({str(setting(job, name)) for job in jobs}) > 1]


def setting(job: TrainJob, name: str) -> Any:
    """A knob's or a run setting's value."""
    return job.knobs[name] if name in job.knobs else getattr(job, name)
