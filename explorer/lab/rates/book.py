"""The sweep's two files: runs are added one by one, so that a sweep cut short goes on."""

import datetime as dt
import json
import os
import platform
from pathlib import Path

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.load import load_record
from explorer.catalogue.method import Method
from explorer.catalogue.rates import HEAD, RUNS, RateRun, RateSweep, read_rate_runs
from explorer.lab.job import TrainJob
from explorer.lab.rates.grid import HELDOUT_ROWS, STEPS
from explorer.lab.runs import Result, write_atomically

ABOUT = (
    "Every method at several learning rates, {steps} steps each with the same rows in the same "
    "order; then the held-out rows are answered greedily."
)


class RunFailedError(ExplorerError):
    """A run that ended for another reason than its rate."""


class Book:
    """The runs of one sweep in a folder."""

    def __init__(self, folder: Path, catalogue: Catalogue) -> None:
        self.folder = folder
        path = folder / RUNS
        self.runs = read_rate_runs(path, catalogue) if path.exists() else []

    def of(self, method: str, task: str | None = None) -> list[RateRun]:
        """One method's runs, on one task or on all."""
        return [r for r in self.runs if r.method == method and task in (None, r.task)]

    def centre(self, method: Method) -> float:
        """The rate that the method's grid lies round: that of its kept runs, else its default."""
        return next((run.centre for run in self.of(method.id)), method.lab.learning_rate)

    def add(self, job: TrainJob, centre: float, result: Result) -> RateRun:
        """Keep a run; raises RunFailedError for one that neither ended well nor diverged.

        Raises ExplorerError where the runs kept so far were made with other versions or elsewhere:
        their losses cannot be held against this one's.
        """
        if result.state != "done" and not result.diverged:
            raise RunFailedError(f"{job.method} at {job.learning_rate:g}: {result.reason}")
        self._check_head(job, result)
        run = RateRun(
            method=job.method,
            task=job.task,
            learning_rate=job.learning_rate,
            centre=centre,
            steps=job.steps,
            seed=job.seed,
            heldout_loss=_digits(result.heldout_loss_after),
            metric=_digits(result.metric_after),
            diverged=bool(result.diverged),
            seconds=round(max(result.seconds or 0.0, 0.1), 1),
        )
        self.runs.append(run)
        write_atomically(self.folder / RUNS, table(self.runs))
        return run

    def _check_head(self, job: TrainJob, result: Result) -> None:
        path = self.folder / HEAD
        head = head_of(job, result)
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, as_toml(head))
            return
        kept = load_record(path, RateSweep)
        for name in ("device", "base", "precision", "batch_size", "heldout_rows", "versions"):
            if getattr(kept, name) != getattr(head, name):
                raise ExplorerError(
                    f"{path.name}: the runs beside it have {name} = {getattr(kept, name)!r}, this "
                    f"one has {getattr(head, name)!r}: keep it in another folder (--out)."
                )


def head_of(job: TrainJob, result: Result) -> RateSweep:
    """What a run's sweep has in common."""
    return RateSweep(
        id=HEAD.partition(".")[0],
        about=ABOUT.format(steps=STEPS),
        command="python -m explorer.lab.rates",
        date=dt.datetime.now(dt.UTC).date(),
        device=device_name(result.device or "cpu"),
        base=job.base,
        precision=result.precision or "unknown",
        batch_size=job.batch_size,
        heldout_rows=job.heldout_rows or HELDOUT_ROWS,
        versions=result.versions,
    )


def device_name(device: str) -> str:
    """`2 cores of an AMD EPYC`, or the device as torch calls it."""
    if device != "cpu":
        return device
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores of {cpu_model()}"


def cpu_model() -> str:
    """The processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def as_toml(head: RateSweep) -> str:
    """The head as a file. Every value is a text, a number or a table of texts."""
    values = head.model_dump(mode="json", exclude={"id", "versions", "date"})
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    lines.insert(2, f"date = {head.date.isoformat()}")
    versions = [f"{name} = {json.dumps(text)}" for name, text in head.versions.items()]
    return "\n".join([*lines, "", "[versions]", *versions, ""])


def table(runs: list[RateRun]) -> str:
    """The runs as CSV, by method, task and rate; an empty cell is what was not reached."""
    rows = sorted(runs, key=lambda run: (run.method, run.task, run.learning_rate))
    lines = [",".join(RateRun.model_fields)]
    for run in rows:
        values = run.model_dump()
        cells = ["" if value is None else _cell(value) for value in values.values()]
        lines.append(",".join(cells))
    return "\n".join([*lines, ""])


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
