"""When a run ends before its last step: a time, no more progress, or rivals that are far ahead."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from explorer.lab.runs import Run, list_runs
from explorer.lab.worker.evaluate import answer_loss, forward
from explorer.lab.worker.pace import Pace, Plateau, behind
from explorer.lab.worker.report import Report
from explorer.lab.worker.text import Encoded, collate
from explorer.lab.worker.trainer import Done, Trainer

SHORTEST = 10  # steps before a run can be called hopeless
LOOK = 5  # steps between two comparisons with its rivals


class HopelessError(Exception):
    """The run is far behind the others of its race."""


class Ending:
    """Decides after each step whether more will follow. `rows` are the held-out ones to watch."""

    def __init__(self, run: Run, report: Report, trainer: Trainer, rows: Sequence[Encoded]) -> None:
        self.run, self.job, self.report = run, trainer.job, report
        self.trainer, self.rows = trainer, rows
        self.pace = Pace(self.job, report.reserved_seconds)
        self.plateau = Plateau(self.job.patience)
        self.losses: list[float] = []

    def after(self, done: Done) -> Iterator[None]:
        """Yields after each bit of work. Raises HopelessError when the run is to be given up."""
        self.losses.append(done.loss)
        steps = self.pace.stepped()
        if steps is not None:
            self.trainer.total = steps = self.trainer.sharing.agreed(steps)
            self.report.planned(steps, self.pace.seconds_per_step)
        every = self.job.watch_every
        if every and done.step % every == 0:
            yield from self._watch()
        # Processes that train together have to stop together, and these are not told to others.
        if self.trainer.sharing.processes > 1:
            return
        if self.pace.late:
            self._end(f"its {self.job.seconds:g} s were over before the steps planned for them")
        if self.job.prune and done.step >= SHORTEST and done.step % LOOK == 0:
            self._hold_against_rivals()

    def _watch(self) -> Iterator[None]:
        for loss in self._look():
            if loss is None:
                yield
                continue
            self.report.watched(loss, len(self.rows))
            if self.plateau.over(loss):
                best, looks = self.plateau.best, self.job.patience
                self._end(f"no better held-out loss than {best:.3f} in {looks} looks")

    def _end(self, why: str) -> None:
        if self.report.result.steps_done < self.trainer.total:
            self.trainer.total = self.report.result.steps_done
            self.report.ends_early(f"after step {self.trainer.total}: {why}")

    def _look(self) -> Iterator[float | None]:
        """Mean loss of the watched rows in nats an answer token; None after each batch."""
        trainer, total, count = self.trainer, 0.0, 0
        trainer.model.eval()
        size = self.job.batch_size
        for first in range(0, len(self.rows), size):
            batch = collate(self.rows[first : first + size], trainer.pad_id, trainer.device)
            with torch.no_grad():
                summed, tokens = answer_loss(forward(trainer.model, batch), batch)
            total, count = total + float(summed), count + tokens
            yield None
        trainer.model.train()
        yield total / count

    def _hold_against_rivals(self) -> None:
        median = behind(self.losses, [_losses(run) for run in rivals(self.run)])
        if median is not None:
            raise HopelessError(
                f"given up after step {len(self.losses)}: its best loss, {min(self.losses):.3f}, "
                f"is above the median of the other runs so far, {median:.3f}"
            )


def rivals(run: Run) -> list[Run]:
    """The other runs of the same race that have begun to train."""
    race = run.job.race
    if not race:
        return []
    return [other for other in list_runs() if other.id != run.id and other.job.race == race]


def _losses(run: Run) -> list[float]:
    events: list[dict[str, Any]] = run.events()
    return [event["loss"] for event in events if event["kind"] == "step"]
