"""What a run tells while it trains: events as they happen, the result at the end."""

import math
import time
from typing import Any

import torch
from peft import PeftModel

from explorer.lab.events import (
    Checkpoint,
    Ended,
    Evaluated,
    Loading,
    Planned,
    Probed,
    Started,
    Step,
    Watched,
)
from explorer.lab.runs import Result, Run
from explorer.lab.worker.evaluate import Evaluation
from explorer.lab.worker.forecast import forecast_run
from explorer.lab.worker.forgetting import Knowledge
from explorer.lab.worker.inside import gates
from explorer.lab.worker.provenance import provenance
from explorer.lab.worker.shelf import Loaded
from explorer.lab.worker.trainer import Done, Trainer


class Report:
    """Writes a run's folder. `silent` is for all but the first of several processes."""

    def __init__(self, run: Run, silent: bool = False) -> None:
        self.run, self.silent = run, silent
        job = run.job
        self.steps = job.steps
        self.ended_early = ""  # why training took fewer steps than asked
        self.result = Result(
            state="done",
            job=job.model_dump(mode="json"),
            seed=job.seed,
            started=time.time(),
            ended=0,
            **provenance(),
        )
        self.training_began = time.monotonic()
        self.evaluation_seconds = 0.0  # of one evaluation, as it was last measured
        self.probe_seconds = 0.0

    def loading(self, what: str) -> None:
        """Something slow begins."""
        self._tell(Loading(time=time.time(), what=what))

    def started(self, loaded: Loaded, trainer: Trainer) -> None:
        """Training begins."""
        result = self.result
        result.trainable = sum(p.numel() for p in trainer.trainable)
        added = result.trainable if isinstance(trainer.model, PeftModel) else 0
        result.total = loaded.model.num_parameters() + added
        result.device = str(trainer.device)
        result.precision = str(loaded.dtype).removeprefix("torch.")
        result.forecast = forecast_run(trainer.job, loaded, trainer.rows, trainer.sharing)
        event = Started(
            time=time.time(),
            forecast=result.forecast,
            trainable=result.trainable,
            total=result.total,
            device=result.device,
            precision=result.precision,
            threads=torch.get_num_threads(),
            rows=len(trainer.rows),
            longest_row=max(len(row.input_ids) for row in trainer.rows),
        )
        self._tell(event)
        self.training_began = time.monotonic()

    def stepped(self, done: Done, trainer: Trainer) -> None:
        """One optimizer step is done. The time left counts waiting for others as this run has."""
        result = self.result
        result.steps_done, result.final_loss = done.step, done.loss
        result.tokens = (result.tokens or 0) + done.tokens
        result.seconds = (result.seconds or 0.0) + done.seconds
        result.tokens_per_second = result.tokens / result.seconds
        result.peak_bytes, result.memory = trainer.peak()
        each = (time.monotonic() - self.training_began) / done.step
        event = Step(
            time=time.time(),
            step=done.step,
            loss=done.loss,
            learning_rate=done.learning_rate,
            gradient_norm=done.gradient_norm,
            tokens_per_second=done.tokens / done.seconds,
            eta_seconds=each * (self.steps - done.step) + self.reserved_seconds,
            memory_bytes=result.peak_bytes,
            gates=gates(trainer.model),
        )
        self._tell(event)

    def planned(self, steps: int, seconds_per_step: float) -> None:
        """The number of steps is decided."""
        self.steps = steps
        self._tell(Planned(time=time.time(), steps=steps, seconds_per_step=seconds_per_step))

    def watched(self, loss: float, rows: int) -> None:
        """The loss of some held-out rows was looked at."""
        step = self.result.steps_done
        self._tell(Watched(time=time.time(), step=step, loss=loss, rows=rows))

    def ends_early(self, why: str) -> None:
        """Training takes no more steps."""
        self.steps, self.ended_early = self.result.steps_done, why

    @property
    def reserved_seconds(self) -> float:
        """What comes after training, as the base took for it: questions and probe."""
        return self.evaluation_seconds + self.probe_seconds

    def evaluated(self, found: Evaluation, when: Any) -> None:
        """Held-out rows were answered: by the base (before), or by what was learnt so far."""
        result = self.result
        result.metric = found.metric
        self.evaluation_seconds = found.seconds
        if when == "before":
            result.metric_base, result.heldout_loss_base = found.value, found.loss
        if when == "after":
            result.metric_after, result.heldout_loss_after = found.value, found.loss
            result.interval = (found.low, found.high)
            result.evaluation_seconds = found.seconds
        told = {name: value for name, value in vars(found).items() if name != "loss"}
        step = result.steps_done
        self._tell(
            Evaluated(time=time.time(), when=when, step=step, heldout_loss=found.loss, **told)
        )

    def probed(self, found: Knowledge, when: Any) -> None:
        """The forgetting probe was taken."""
        result = self.result
        if when == "before":
            result.neutral_loss_base, result.quiz_base = found.loss, found.quiz
        else:
            result.neutral_loss_after, result.quiz_after = found.loss, found.quiz
            result.forgetting = found.loss - result.neutral_loss_base
        perplexity = math.exp(found.loss)
        self._tell(Probed(time=time.time(), when=when, perplexity=perplexity, **vars(found)))

    def saved(self, size: int) -> None:
        """The adapter as it stands is on disk."""
        self.result.adapter_bytes = size
        self._tell(Checkpoint(time=time.time(), step=self.result.steps_done, bytes=size))

    def ended(self, state: Any, reason: str) -> None:
        """The run is over."""
        self.result.state, self.result.reason, self.result.ended = state, reason, time.time()
        self._tell(Ended(kind=state, time=self.result.ended, reason=reason))
        if not self.silent:
            self.run.finish(self.result)

    def _tell(self, event: Any) -> None:
        if not self.silent:
            self.run.append(event)
