"""One worker process: started on demand, spoken to in JSON lines, noticed when it dies."""

import collections
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from explorer.lab.protocol import FROM_WORKER, Over, Told

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "explorer.lab.worker")
KEPT_LINES = 50  # of the worker's stderr, to explain a death

Listener = Callable[[Told | Over], None]


class WorkerProcess:
    """A running worker. `on_message` and `on_death` are called from the reading thread."""

    def __init__(
        self, device: str, on_message: Listener, on_death: Callable[["WorkerProcess"], None]
    ) -> None:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            "TOKENIZERS_PARALLELISM": "false",
            # Threads that wait for each other sleep: spinning ones stall on a machine that has
            # other things to do (a page, a browser), and gain nothing on one that has not.
            "OMP_WAIT_POLICY": "PASSIVE",
            # Some microseconds of spinning first: a step has thousands of short operations.
            "GOMP_SPINCOUNT": "3000",
            "HF_HUB_OFFLINE": "1",  # bases are fetched by the set-up, never by the way
        }
        # A session of its own: an interrupt at the terminal reaches the page, which then closes
        # the worker's stdin; that ends it, however the page has come to its own end.
        self.process = subprocess.Popen(
            [*COMMAND, "--device", device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment,
            start_new_session=True,
        )
        self.last_words: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)
        self._sending = threading.Lock()
        self._listening = threading.Thread(
            target=self._listen, args=(on_message, on_death), daemon=True
        )
        self._hearing = threading.Thread(target=self._hear_complaints, daemon=True)
        self._listening.start()
        self._hearing.start()

    def send(self, message: BaseModel) -> None:
        """Give an order. One that is dead does not hear it: its death is told by `on_death`."""
        with self._sending:
            try:
                self.process.stdin.write(message.model_dump_json() + "\n")
                self.process.stdin.flush()
            except (BrokenPipeError, ValueError):
                return

    def close(self, patience: float = 10.0) -> None:
        """Let the worker end what it does; kill it when it takes too long."""
        with self._sending, contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._listening.join(patience)

    def why_it_died(self) -> str:
        """How the process ended, in a sentence."""
        code = self.process.returncode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            hint = " (the system does that when memory runs out)" if name == "SIGKILL" else ""
            return f"the worker was ended by {name}{hint}"
        last = next((line for line in reversed(self.last_words) if line.strip()), "no message")
        return f"the worker ended with code {code}: {last.strip()}"

    def _listen(self, on_message: Listener, on_death: Callable[["WorkerProcess"], None]) -> None:
        for line in self.process.stdout:
            on_message(FROM_WORKER.validate_json(line))
        self.process.wait()
        self._hearing.join()
        with self._sending:
            for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
                with contextlib.suppress(BrokenPipeError):  # of orders that were never read
                    pipe.close()
        on_death(self)

    def _hear_complaints(self) -> None:
        for line in self.process.stderr:
            self.last_words.append(line.rstrip("\n"))
