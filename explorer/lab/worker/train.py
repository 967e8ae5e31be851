"""One training run as a generator: a bit of work at each turn, a result on disk at its end."""

import time
import traceback
from collections.abc import Iterator

import torch
from torch import nn

from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.task import Task
from explorer.lab.bases import hub_name
from explorer.lab.datasets import find_task, task_rows
from explorer.lab.fit import demand_positions
from explorer.lab.inside import INSIDE
from explorer.lab.runs import Run, write_atomically
from explorer.lab.worker.adapters import save_adapter
from explorer.lab.worker.ending import Ending, HopelessError
from explorer.lab.worker.evaluate import HeldOut, encode_rows, evaluate
from explorer.lab.worker.forgetting import Knowledge, probe_knowledge
from explorer.lab.worker.inside import look_inside
from explorer.lab.worker.memory import device_bytes
from explorer.lab.worker.report import Report
from explorer.lab.worker.sharing import Sharing, gather
from explorer.lab.worker.shelf import Loaded, Shelf
from explorer.lab.worker.text import Encoded, collate, pad_id
from explorer.lab.worker.trainer import DivergedError, Done, Trainer, checkpoint_activations
from explorer.lab.worker.view import privatize
from explorer.methods.attach import attach

WATCHED_ROWS = 16
INSIDE_ROWS = 8
SMALLER = "take a smaller batch, a shorter max_length or a quantized base"
OUT_OF_MEMORY = f"out of memory: {SMALLER}"


class StopAskedError(Exception):
    """Someone asked the run to stop."""


class Training:
    """One run while it goes on. `go()` always ends with a result on disk.

    Of several processes at it only the first one writes. Where they hold shards, `model` is whole
    and in the CPU's memory: what the trainer's shards learn is gathered into it to be kept.
    """

    def __init__(self, run: Run, shelf: Shelf, sharing: Sharing | None = None) -> None:
        self.run, self.shelf = run, shelf
        self.sharing = sharing or Sharing(shelf.device)
        self.silent = not self.sharing.first
        self.job = run.job
        self.report = Report(run, self.silent)
        self.model: nn.Module | None = None
        self.trainer: Trainer | None = None

    def go(self) -> Iterator[None]:
        """The whole run, yielding after every bit of it. Raises only what closes the generator."""
        if not self.silent:
            self.run.own("worker")
        try:
            yield from self._stages()
        except HopelessError as error:
            self._end("stopped", str(error))
        except StopAskedError:
            self._end("stopped", f"on request, after step {self.report.result.steps_done}")
        except ExplorerError as error:
            self.report.result.diverged = isinstance(error, DivergedError) or None
            self._end("failed", str(error))
        except (MemoryError, torch.OutOfMemoryError):
            self._end("failed", OUT_OF_MEMORY, together=False)
        except GeneratorExit:
            self._end("stopped", "the program that ran it was closed", together=False)
            raise
        except Exception as error:  # the one place that words what nobody foresaw
            with self.run.stderr.open("a", encoding="utf-8") as file:
                traceback.print_exc(file=file)
            self._end("failed", f"{type(error).__name__}: {error}", together=False)
        else:
            self._end("done", self.report.ended_early)
        finally:
            if self.trainer:
                self.trainer.close()

    def _stages(self) -> Iterator[None]:
        task, job = find_task(self.job.task), self.job
        loaded = None
        for item in self.shelf.get(
            job.base, job.quantization, job.double_quantization, job.precision
        ):
            if isinstance(item, Loaded):
                loaded = item
            else:
                self.report.loading(item)
                yield from self._turn()
        held = self._held_out(task, loaded)
        yield from self._step_boundary()
        yield from self._ask_base(loaded, held)
        yield from self._step_boundary()
        yield from self._train(loaded, held)
        yield from self._ask(loaded, held, "after")
        yield from self._probe(loaded)
        yield from self._step_boundary()
        self._save()
        yield from self._look_inside(loaded, held)

    def _held_out(self, task: Task, loaded: Loaded) -> HeldOut:
        positions = loaded.model.config.max_position_embeddings
        demand_positions(loaded.base.id, self.job.max_length, positions)
        return HeldOut(
            task=task.id,
            rows=task_rows(task.id, "heldout")[: self.job.heldout_rows],
            metric=task.metric,
            system=self.job.system,
            max_length=self.job.max_length,
            max_new_tokens=self.job.max_new_tokens,
        )

    def _ask_base(self, loaded: Loaded, held: HeldOut) -> Iterator[None]:
        """The base's own score: measured once for each base, quantization and task."""
        base = self.sharing.shard(loaded.view()) if self.sharing.shards else loaded.model
        if held not in loaded.measured:
            self.report.loading("asking the base the held-out questions")
            for item in evaluate(base, loaded.tokenizer, held):
                if item is not None:
                    loaded.measured[held] = item
                yield from self._turn()
        self.report.evaluated(loaded.measured[held], "before")
        if not self.job.probe:
            return
        if Knowledge not in loaded.measured:
            self.report.loading("asking the base what it knows")
            begun = time.monotonic()
            for known in probe_knowledge(base, loaded.tokenizer):
                if known is not None:
                    loaded.measured[Knowledge] = (known, time.monotonic() - begun)
                yield from self._turn()
        known, self.report.probe_seconds = loaded.measured[Knowledge]
        self.report.probed(known, "before")

    def _train(self, loaded: Loaded, held: HeldOut) -> Iterator[None]:
        rows = encode_rows(
            loaded.tokenizer,
            task_rows(held.task, "train"),
            self.job.system,
            self.job.max_length,
        )
        self.model = running = self._attached(loaded)
        if self.sharing.shards:
            running = self.sharing.shard(self._attached(loaded))
        pad = pad_id(loaded.tokenizer)
        self.trainer = Trainer(running, self.job, rows, pad, self.sharing)
        self.report.started(loaded, self.trainer)
        self._demand_memory(loaded)
        ending = Ending(self.run, self.report, self.trainer, self._watched(loaded, held))
        yield from self._step_boundary()
        for done in self.trainer.steps():
            if isinstance(done, Done):
                self.report.stepped(done, self.trainer)
                every = self.job.evaluate_every
                if every and done.step % every == 0 and done.step < self.trainer.total:
                    yield from self._ask(loaded, held, "during")
                    self._save()
                for _ in ending.after(done):
                    yield from self._turn()
                yield from self._step_boundary()
            else:
                yield from self._turn()

    def _attached(self, loaded: Loaded) -> nn.Module:
        """A view of the base with the method on it; the same numbers whenever it is asked for."""
        torch.manual_seed(self.job.seed)  # of the adapter's first values and of dropout
        view = loaded.view()
        if self.job.gradient_checkpointing:
            checkpoint_activations(view)
        model = attach(view, self.job.method, self.job.knobs)
        privatize(model, loaded.model)
        return model

    def _demand_memory(self, loaded: Loaded) -> None:
        """Refuse what is sure not to fit: a system out of memory ends the worker without a word."""
        needed, there = self.report.result.forecast.get("bytes"), device_bytes(self.trainer.device)
        if needed and needed > there:
            raise ExplorerError(
                f"Training is forecast to hold {needed / 2**30:.1f} GiB at its peak, and this "
                f"machine has {there / 2**30:.1f} GiB: {SMALLER}."
            )

    def _watched(self, loaded: Loaded, held: HeldOut) -> list[Encoded]:
        """The held-out rows whose loss is looked at while training goes on."""
        if not self.job.watch_every:
            return []
        rows = held.rows[:WATCHED_ROWS]
        return encode_rows(loaded.tokenizer, rows, self.job.system, self.job.max_length)

    def _ask(self, loaded: Loaded, held: HeldOut, when: str) -> Iterator[None]:
        for item in evaluate(self.trainer.model, loaded.tokenizer, held):
            if item is not None:
                self.report.evaluated(item, when)
            yield from self._turn()

    def _probe(self, loaded: Loaded) -> Iterator[None]:
        if self.job.probe:
            for known in probe_knowledge(self.trainer.model, loaded.tokenizer):
                if known is not None:
                    self.report.probed(known, "after")
                yield from self._turn()

    def _look_inside(self, loaded: Loaded, held: HeldOut) -> Iterator[None]:
        """What was learnt, layer by layer, on the first held-out rows."""
        if self.silent:
            return
        rows = encode_rows(
            loaded.tokenizer, held.rows[:INSIDE_ROWS], self.job.system, self.job.max_length
        )
        batch = collate(rows, pad_id(loaded.tokenizer), loaded.device)
        found = look_inside(self.model, loaded.model, batch)
        write_atomically(self.run.folder / INSIDE, found.model_dump_json())
        yield from self._turn()

    def _turn(self) -> Iterator[None]:
        """Let others have theirs; afterwards, go on only if nobody asked to stop.

        Several processes have to stop at the same place, and do at the next step's boundary.
        """
        yield
        if self.sharing.processes == 1 and self.run.stop_asked:
            raise StopAskedError

    def _step_boundary(self) -> Iterator[None]:
        """A turn at a place where all processes are, and are told alike whether to stop."""
        yield
        if self.sharing.agreed(self.run.stop_asked):
            raise StopAskedError

    def _save(self) -> None:
        """Keep what was learnt so far, if anything was."""
        if self.model is None or not self.report.result.steps_done:
            return
        if self.sharing.shards:
            gather(self.trainer.model, self.model)
        if not self.silent:
            self.report.saved(save_adapter(self.model, self.run.adapter, hub_name(self.job.base)))

    def _end(self, state: str, reason: str, together: bool = True) -> None:
        """`together` says whether all processes end here, at the same place."""
        if state != "done" and (together or not self.sharing.shards):
            self._save()
        self.report.ended(state, reason)
