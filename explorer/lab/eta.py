"""Who is before a run in the queue, and when it will be done, from what runs here have taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from explorer.lab.job import TrainJob
from explorer.lab.runs import Run, list_runs

LOOKED_AT = 20  # of the newest runs, for the pace


@dataclass(frozen=True)
class Wait:
    """An unfinished run: how many are before it, and the seconds until it is done, if known."""

    run: str
    before: int
    seconds: float | None


def waits() -> list[Wait]:
    """Every unfinished run, in the order in which they go."""
    newest = list(list_runs())
    states = {run.id: run.state() for run in newest[:200]}
    unfinished = [run for run in reversed(newest) if run.id in states and not states[run.id].over]
    unfinished.sort(key=lambda run: states[run.id].name != "running")
    found, total = [], 0.0
    for before, run in enumerate(unfinished):
        left = _left(run, newest[:LOOKED_AT])
        total = total + left if left is not None and total is not None else None
        found.append(Wait(run.id, before, total))
    return found


def _left(run: Run, others: Sequence[Run]) -> float | None:
    step = _last(run.events(), "step")
    if step is not None:
        return step["eta_seconds"]
    if run.job.seconds is not None:
        return run.job.seconds
    return expected(run.job, others)


def expected(job: TrainJob, others: Sequence[Run]) -> float | None:
    """Seconds that a run will take, by the newest one on the same base with rows as many.

    A run of the same method counts before one of another. None when there is none to go by.
    """
    alike = [
        other
        for other in others
        if (other.job.base, other.job.quantization, other.job.batch_size, other.job.max_length)
        == (job.base, job.quantization, job.batch_size, job.max_length)
    ]
    alike.sort(key=lambda other: other.job.method != job.method)  # stable: newest first
    for other in alike:
        events = other.events()
        steps = [event for event in events if event["kind"] == "step"]
        if len(steps) >= 2:
            each = (steps[-1]["time"] - steps[0]["time"]) / (len(steps) - 1)
            asked = _last(events, "eval")
            return job.steps * each + (asked["seconds"] if asked else 0.0)
    return None


def _last(events: Sequence[dict[str, Any]], kind: str) -> dict[str, Any] | None:
    return next((event for event in reversed(events) if event["kind"] == kind), None)
