"""The one door to the worker: submit a job, follow its events, stop it, generate."""

import atexit
import queue
import re
import threading
import uuid
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from explorer.catalogue.errors import ExplorerError
from explorer.lab.bases import find_base
from explorer.lab.events import Failed
from explorer.lab.job import TrainJob
from explorer.lab.process import WorkerProcess
from explorer.lab.protocol import Over, Stop, Submit, Told
from explorer.lab.request import Request, TrainRequest
from explorer.lab.runs import Result, Run, create_run, find_run

DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")
Reply = Any  # an event of explorer.lab.events


class Engine:
    """A queue of training runs and any number of conversations over one worker process.

    The worker starts with the first request and again with the next one after it died. Runs train
    one after another; generations take turns with them and with each other inside the worker.
    Thread-safe.
    """

    def __init__(self, device: str = "auto") -> None:
        """Raises ExplorerError for a device of another form; the worker knows which are there."""
        if not DEVICE.fullmatch(device):
            raise ExplorerError(
                f"device = {device!r:.60}: it takes auto, cpu, cuda or cuda:NUMBER."
            )
        self.device = device
        self._lock = threading.RLock()
        self._worker: WorkerProcess | None = None
        self._waiting: deque[Run] = deque()
        self._training: Run | None = None
        self._talks: dict[str, queue.SimpleQueue[Told | Over]] = {}
        self._closed = False
        atexit.register(self.close)

    def __enter__(self) -> "Engine":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def submit(self, job: TrainJob) -> str:
        """Put a job in the queue; returns the run's id at once.

        Raises BaseMissingError or UnknownNameError when the base is not there, before anything is
        written.
        """
        find_base(job.base, allow_paths=True)
        run = create_run(job)
        with self._lock:
            self._waiting.append(run)
            self._next_run()
        return run.id

    def events(self, run_id: str, after: int = 0) -> list[dict[str, Any]]:
        """The run's events from number `after` on (see explorer.lab.events)."""
        return find_run(run_id).events(after)

    def position(self, run_id: str) -> int:
        """How many runs are before this one in the queue; 0 when it trains or is over."""
        with self._lock:
            ids = [run.id for run in self._waiting]
            return ids.index(run_id) + 1 if run_id in ids else 0

    def stop(self, run_id: str) -> None:
        """Stop a run within one step, whoever runs it; a waiting one leaves the queue."""
        run = find_run(run_id)
        with self._lock:
            if run in self._waiting:
                self._waiting.remove(run)
                _finish(run, "stopped", "it was taken out of the queue before it began")
            elif not run.state().over:
                run.ask_to_stop()

    def generate(self, request: Request) -> Iterator[Reply]:
        """The request's events as they happen; closing the iterator stops the work.

        Always ends: with the last event, or with an `error` event that says why.
        """
        name = uuid.uuid4().hex
        inbox: queue.SimpleQueue[Told | Over] = queue.SimpleQueue()
        with self._lock:
            self._talks[name] = inbox
            self._live_worker().send(Submit(task=name, request=request))
        try:
            while isinstance(message := inbox.get(), Told):
                yield message.event
        finally:
            with self._lock:
                if self._talks.pop(name, None) and self._worker:
                    self._worker.send(Stop(task=name))

    def close(self) -> None:
        """End the worker. Runs that wait are failed; the one that trains ends as stopped."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            waiting, self._waiting = list(self._waiting), deque()
            worker = self._worker
        for run in waiting:
            _finish(run, "stopped", "the program was closed before it began")
        if worker:
            worker.close()
        atexit.unregister(self.close)

    def _live_worker(self) -> WorkerProcess:
        if self._closed:
            raise RuntimeError("the engine is closed")
        if self._worker is None:
            self._worker = WorkerProcess(self.device, self._heard, self._died)
        return self._worker

    def _next_run(self) -> None:
        """Give the worker the first run of the queue when it trains none. Needs the lock."""
        if self._training or not self._waiting or self._closed:
            return
        self._training = run = self._waiting.popleft()
        request = TrainRequest(run=run.id, folder=str(run.folder))
        self._live_worker().send(Submit(task=run.id, request=request))

    def _heard(self, message: Told | Over) -> None:
        with self._lock:
            inbox = self._talks.get(message.task)
            if inbox:
                inbox.put(message)
                if isinstance(message, Over):
                    del self._talks[message.task]
            elif self._training and message.task == self._training.id:
                self._training = None
                self._next_run()

    def _died(self, worker: WorkerProcess) -> None:
        """Fail what the worker was doing, and only that; the rest goes to a new worker."""
        with self._lock:
            self._worker = None
            talks, self._talks = self._talks, {}
            run, self._training = self._training, None
            why = worker.why_it_died()
            for name, inbox in talks.items():
                inbox.put(Told(task=name, event=Failed(reason=f"{why}: ask again")))
                inbox.put(Over(task=name))
            if run and not run.result:
                _explain(run, worker)
                run.fail(why)
            self._next_run()


def _finish(run: Run, state: Any, reason: str) -> None:
    run.finish(Result.of(run.job, state, reason))


def _explain(run: Run, worker: WorkerProcess) -> None:
    """Keep the worker's last words with the run that it died in."""
    with run.stderr.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in worker.last_words)
