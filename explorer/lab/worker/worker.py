"""The worker: bases that stay loaded, and tasks that take turns. No process plumbing in here."""

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from explorer.catalogue.errors import ExplorerError
from explorer.lab.events import Failed
from explorer.lab.protocol import Over, Told
from explorer.lab.request import CountRequest, QuantizationRequest, Request, TrainRequest
from explorer.lab.runs import Run
from explorer.lab.worker.compare import compare
from explorer.lab.worker.count import count
from explorer.lab.worker.precision import set_threads
from explorer.lab.worker.quantize import quantization_bench
from explorer.lab.worker.scheduler import TALK, TRAIN, Scheduler, Work
from explorer.lab.worker.shelf import Shelf
from explorer.lab.worker.train import OUT_OF_MEMORY, Training


class Worker:
    """One device's worker. `submit`, `poll` and `stop` are all that whoever runs it needs."""

    def __init__(self, device: str = "auto") -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        set_threads()
        self.shelf = Shelf(torch.device(device))
        self.scheduler = Scheduler()

    @property
    def busy(self) -> bool:
        """Whether any task is unfinished."""
        return bool(self.scheduler.tasks)

    def submit(self, task: str, request: Request) -> None:
        """Begin a task; what it says comes out of `poll`."""
        if isinstance(request, TrainRequest):
            training = Training(Run(request.run, Path(request.folder)), self.shelf)
            self.scheduler.add(task, training.go(), TRAIN)
        elif isinstance(request, QuantizationRequest):
            self.scheduler.add(task, worded(quantization_bench(request, self.shelf)), TRAIN)
        elif isinstance(request, CountRequest):
            self.scheduler.add(task, worded(count(request)), TALK)
        else:
            self.scheduler.add(task, worded(compare(request, self.shelf)), TALK)

    def stop(self, task: str) -> list[Over]:
        """End a task between two turns."""
        return [Over(task=task)] if self.scheduler.drop(task) else []

    def poll(self) -> list[Told | Over]:
        """Do one bit of work of one task; returns what came of it."""
        turn = self.scheduler.turn()
        if turn is None or (turn.told is None and not turn.over):
            return []
        return [Over(task=turn.task) if turn.over else Told(task=turn.task, event=turn.told)]

    def close(self) -> None:
        """End every task; training runs write that they were stopped."""
        for task in list(self.scheduler.tasks):
            self.scheduler.drop(task)


def worded(work: Work) -> Iterator[Any]:
    """The work, with an error as its last event in place of an exception."""
    try:
        yield from work
    except ExplorerError as error:
        yield Failed(reason=str(error))
    except (MemoryError, torch.OutOfMemoryError):
        yield Failed(reason=OUT_OF_MEMORY)
    except Exception as error:  # the one place that words what nobody foresaw
        traceback.print_exc()
        yield Failed(reason=f"{type(error).__name__}: {error}")
