"""How the lab's learning rates were found: one sweep's runs, and the machine that made them."""

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from explorer.catalogue.catalogue import DATA, Catalogue, load_catalogue
from explorer.catalogue.load import DataFileError, load_record, sentences
from explorer.catalogue.record import Record
from explorer.catalogue.table import known, read_rows

FOLDER = Path("measured") / "learning-rates"
RUNS, HEAD = "runs.csv", "about.toml"


class RateRun(Record):
    """One run of a sweep. What a run that diverged did not reach is left out."""

    method: str
    task: str
    learning_rate: float = Field(gt=0, le=1)
    centre: float = Field(gt=0, le=1, description="the rate that the method's grid lies round")
    steps: int = Field(gt=0)
    seed: int = Field(ge=0)
    heldout_loss: float | None = Field(default=None, ge=0, description="nats an answer token")
    metric: float | None = Field(default=None, ge=0, le=1)
    diverged: bool = False
    seconds: float = Field(gt=0, description="of training, whatever else the machine did")

    @model_validator(mode="after")
    def _has_a_loss_or_diverged(self) -> "RateRun":
        if self.diverged == (self.heldout_loss is not None):
            raise ValueError("a run either diverged or has a heldout_loss")
        return self


class RateSweep(Record):
    """`about.toml`: what all runs beside it have in common."""

    id: str
    about: str = Field(min_length=10)
    command: str
    date: dt.date
    device: str
    base: str
    precision: str
    batch_size: int = Field(gt=0)
    heldout_rows: int = Field(gt=0)
    versions: dict[str, str]


@cache
def load_rate_sweep(data: Path = DATA) -> RateSweep:
    """The head of the kept sweep."""
    return load_record(data / FOLDER / HEAD, RateSweep)


@cache
def load_rate_runs(data: Path = DATA) -> tuple[RateRun, ...]:
    """The kept sweep's runs; raises DataFileError naming file and line."""
    return tuple(read_rate_runs(data / FOLDER / RUNS, load_catalogue(data)))


def read_rate_runs(path: Path, catalogue: Catalogue) -> list[RateRun]:
    """The runs of one file, each cell (method, task, rate, steps, seed) once."""
    runs: list[RateRun] = []
    seen = set()
    for line, row in read_rows(path, RateRun.model_fields.keys()):
        place = f"{path.name}:{line}"
        known(place, "method", row["method"], catalogue.methods)
        known(place, "task", row["task"], catalogue.tasks)
        try:
            run = RateRun.model_validate({name: cell for name, cell in row.items() if cell != ""})
        except ValidationError as error:
            raise DataFileError(f"{place}: {sentences(error, RateRun)}.") from error
        cell = (run.method, run.task, run.learning_rate, run.steps, run.seed)
        if cell in seen:
            raise DataFileError(f"{place}: {run.method} at {run.learning_rate:g} stands twice.")
        seen.add(cell)
        runs.append(run)
    return runs


def mean_losses(runs: Iterable[RateRun]) -> dict[float, float]:
    """One method's held-out loss by rate: the geometric mean over its tasks, in nats.

    Tasks differ in how surprising their answers are, so shares count and not differences. Rates
    that diverged on a task, or were not tried on all of them, are left out.
    """
    by_rate: dict[float, dict[str, float]] = {}
    tasks = set()
    for run in runs:
        tasks.add(run.task)
        if run.heldout_loss is not None:
            by_rate.setdefault(run.learning_rate, {})[run.task] = max(run.heldout_loss, 1e-9)
    return {
        rate: math.exp(sum(map(math.log, losses.values())) / len(losses))
        for rate, losses in sorted(by_rate.items())
        if len(losses) == len(tasks)
    }


def best_rate(runs: Sequence[RateRun]) -> float | None:
    """The rate of the lowest mean held-out loss, or None where no rate has one."""
    losses = mean_losses(runs)
    return min(losses, key=losses.__getitem__) if losses else None
