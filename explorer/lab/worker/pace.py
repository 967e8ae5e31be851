"""How many steps a run takes when a time, progress or its rivals decide."""

import statistics
import time
from collections.abc import Sequence

from explorer.lab.job import TrainJob

FIRST = 4  # steps that the pace is read from; the very first one also sets things up
LATE = 1.25  # a run that takes this many times its time ends where it is
PROGRESS = 0.01  # a look has to be better than the best by this share


class Pace:
    """Decides the number of steps from the first ones, so that the run ends within its time.

    `reserved` are the seconds that come after training: the held-out questions and the probe.
    """

    def __init__(self, job: TrainJob, reserved: float) -> None:
        self.job = job
        self.reserved = reserved
        self.begun = time.monotonic()
        self.ends: list[float] = []

    def stepped(self) -> int | None:
        """Call it after every step; the total number of steps, once, when it is decided."""
        if self.job.seconds is None or len(self.ends) >= FIRST:
            return None
        self.ends.append(time.monotonic())
        if len(self.ends) < FIRST:
            return None
        left = self.job.seconds - self.reserved - (self.ends[-1] - self.begun)
        return max(FIRST, min(self.job.steps, FIRST + int(left / self.seconds_per_step)))

    @property
    def seconds_per_step(self) -> float:
        """The median time between the ends of the first steps."""
        gaps = [b - a for a, b in zip(self.ends, self.ends[1:], strict=False)]
        return max(statistics.median(gaps), 1e-6)

    @property
    def late(self) -> bool:
        """Whether training has overrun its time, because the machine got slower."""
        if self.job.seconds is None:
            return False
        spent = time.monotonic() - self.begun + self.reserved
        return spent > LATE * max(self.job.seconds, self.reserved + 1)


class Plateau:
    """Says when looks at the held-out loss have stopped getting better."""

    def __init__(self, patience: int | None) -> None:
        self.patience = patience
        self.best: float | None = None
        self.waited = 0

    def over(self, loss: float) -> bool:
        """Whether `loss` is the last of `patience` looks that none improved on the best."""
        if self.best is None or loss < self.best * (1 - PROGRESS):
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
        return self.patience is not None and self.waited >= self.patience


def behind(losses: Sequence[float], rivals: Sequence[Sequence[float]]) -> float | None:
    """The median that a run with these losses so far falls behind, or None.

    The median stopping rule (Golovin et al. 2017, Google Vizier, section 3.2.2): a run is hopeless
    if its best loss so far is worse than the median of its rivals' running means at the same step.
    Rivals that have not come as far do not count; fewer than two decide nothing.
    """
    step = len(losses)
    means = [statistics.fmean(other[:step]) for other in rivals if len(other) >= step]
    if step == 0 or len(means) < 2:
        return None
    median = statistics.median(means)
    return median if min(losses) > median else None
