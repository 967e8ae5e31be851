"""Run folders: `job.json`, `events.jsonl`, `result.json` last. State is read from the files."""

import datetime as dt
import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import psutil
from pydantic import BaseModel, Field

from explorer.catalogue.errors import ExplorerError, UnknownNameError
from explorer.lab.folders import remove, runs_folder
from explorer.lab.job import TrainJob
from explorer.lab.stored import DamagedFileError, read_stored

JOB, EVENTS, RESULT, OWNER, STOP = "job.json", "events.jsonl", "result.json", "owner.json", "stop"
ADAPTER, STDERR = "adapter", "stderr.log"
RUN_ID = re.compile(r"\d{8}-\d{6}-\d{6}-[0-9a-f]{8}")

EndName = Literal["stopped", "failed", "done"]
StateName = Literal["queued", "running"] | EndName


class Result(BaseModel):
    """`result.json`: how a run ended. Values that were never reached are left out."""

    state: EndName
    reason: str = ""
    job: dict[str, Any] = {}
    seed: int | None = None
    versions: dict[str, str] = {}
    commit: str | None = None
    dirty: bool | None = None
    device: str | None = None
    precision: str | None = None
    started: float | None = None  # seconds since the epoch
    ended: float
    seconds: float | None = None  # of training alone
    evaluation_seconds: float | None = None
    diverged: bool | None = None  # whether it failed because a loss or gradient was no number
    steps_done: int = 0
    tokens: int | None = None
    tokens_per_second: float | None = None
    trainable: int | None = None
    total: int | None = None
    peak_bytes: int | None = None
    memory: dict[str, int] = {}  # the peak by what it held
    metric: str | None = None
    metric_base: float | None = None
    metric_after: float | None = None
    interval: tuple[float, float] | None = None
    heldout_loss_base: float | None = None
    heldout_loss_after: float | None = None
    final_loss: float | None = None
    forgetting: float | None = None  # nats a token that neutral text got more surprising by
    quiz_base: float | None = None
    quiz_after: float | None = None
    neutral_loss_base: float | None = None
    neutral_loss_after: float | None = None
    adapter_bytes: int | None = None
    forecast: dict[str, Any] = {}  # trainable, bytes, terms, as the calculator had them before

    @classmethod
    def of(cls, job: TrainJob, state: "EndName", reason: str) -> "Result":
        """The result of a run that ends now with nothing measured."""
        values = {"job": job.model_dump(mode="json"), "seed": job.seed, "ended": time.time()}
        return cls(state=state, reason=reason, **values)


class Owner(BaseModel):
    """`owner.json`: the process that answers for a run while it is not over."""

    pid: int = Field(gt=0, lt=2**31)
    started: float  # seconds since the epoch
    role: Literal["engine", "worker"]


@dataclass(frozen=True)
class State:
    """A run's state; `reason` says why it failed or stopped, or what it is waiting for."""

    name: StateName
    reason: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to the run."""
        return self.name in ("stopped", "failed", "done")


@dataclass(frozen=True)
class Run:
    """One run folder. Everything is read from disk at the time of asking."""

    id: str
    folder: Path

    @cached_property
    def job(self) -> TrainJob:
        """What was asked, which never changes.

        Raises DamagedFileError where it cannot be read, UnknownNameError where it is gone.
        """
        try:
            return read_stored(self.folder / JOB, TrainJob)
        except FileNotFoundError:
            raise gone(self.id) from None

    @property
    def result(self) -> Result | None:
        """How it ended, or None while it goes on. One that cannot be read is that of a failure."""
        path = self.folder / RESULT
        try:
            return read_stored(path, Result)
        except FileNotFoundError:
            return None
        except DamagedFileError as error:
            return Result(state="failed", reason=str(error), ended=self.created.timestamp())

    @property
    def adapter(self) -> Path:
        """The folder of the learnt adapter; it may not exist yet."""
        return self.folder / ADAPTER

    @property
    def stderr(self) -> Path:
        """What the worker complained about while it carried out the run."""
        return self.folder / STDERR

    @property
    def created(self) -> dt.datetime:
        """When the run was asked for (UTC), from its id."""
        return dt.datetime.strptime(self.id[:22], "%Y%m%d-%H%M%S-%f").replace(tzinfo=dt.UTC)

    @property
    def stop_asked(self) -> bool:
        """Whether someone asked the run to stop."""
        return (self.folder / STOP).exists()

    def ask_to_stop(self) -> None:
        """Leave the mark that the worker looks for before every step."""
        (self.folder / STOP).touch()

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """The events from number `after` on; an unfinished last line is left for the next time.

        In the place of a line that cannot be read stands an event of kind `damaged`.
        """
        path = self.folder / EVENTS
        if not path.exists():
            return []
        text = path.read_text(encoding="utf-8", errors="replace")
        whole = text.split("\n")[:-1]  # an answer may hold other characters that end a line
        return [_event(line, number) for number, line in enumerate(whole[after:], start=after + 1)]

    def state(self) -> State:
        """Read off the files: a result, else whether its process lives and has begun."""
        result = self.result
        if result:
            return State(result.state, result.reason)
        owner = _read_owner(self.folder / OWNER)
        if not _alive(owner):
            # The result may have been written since we looked.
            result = self.result
            return State(result.state, result.reason) if result else State("failed", self._why())
        if owner.role == "worker":
            return State("running", "stopping" if self.stop_asked else "")
        return State("queued")

    def demand_adapter(self) -> None:
        """Raise ExplorerError unless the run is over and left an adapter."""
        state = self.state()
        if not state.over:
            raise ExplorerError(f"The run {self.id} is still {state.name}: wait for its end.")
        if not self.adapter.is_dir():
            why = f" ({state.reason})" if state.reason else ""
            raise ExplorerError(f"The run {self.id} {state.name} before it had an adapter{why}.")

    def own(self, role: Literal["engine", "worker"]) -> None:
        """Say that this process answers for the run: the engine while it waits, then the worker."""
        me = Owner(pid=os.getpid(), started=psutil.Process().create_time(), role=role)
        write_atomically(self.folder / OWNER, me.model_dump_json())

    def append(self, event: BaseModel) -> None:
        """Add one event, as a whole line."""
        with (self.folder / EVENTS).open("a", encoding="utf-8") as file:
            file.write(event.model_dump_json() + "\n")

    def finish(self, result: Result) -> None:
        """Write the result, once: a run that has one keeps it."""
        if not (self.folder / RESULT).exists():
            text = result.model_dump_json(indent=1, exclude_none=True)
            write_atomically(self.folder / RESULT, text)

    def fail(self, reason: str) -> None:
        """End a run whose process cannot do it itself."""
        self.finish(Result.of(self.job, "failed", reason))

    def _why(self) -> str:
        log = self.stderr
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return last or "the process that ran it ended without a word"


def create_run(job: TrainJob) -> Run:
    """A new folder with its job, owned by this process, in state queued."""
    root = runs_folder()
    root.mkdir(parents=True, exist_ok=True)
    name = f"{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(4)}"
    hidden = root / f".{name}"  # not a run's name: nobody sees it half made
    hidden.mkdir()
    (hidden / JOB).write_text(job.model_dump_json(indent=1), encoding="utf-8")
    Run(name, hidden).own("engine")
    hidden.rename(root / name)
    return Run(name, root / name)


def find_run(name: str) -> Run:
    """The run with this id; raises UnknownNameError for anything else, a path included."""
    run = Run(name, runs_folder() / name)
    if not RUN_ID.fullmatch(name) or not (run.folder / JOB).is_file():
        raise gone(name)
    return run


def every_run() -> Iterator[Run]:
    """Every run, the newest first, those among them whose job cannot be read."""
    root = runs_folder()
    names = sorted((p.name for p in root.iterdir()), reverse=True) if root.is_dir() else []
    for name in names:
        if RUN_ID.fullmatch(name) and (root / name / JOB).is_file():
            yield Run(name, root / name)


def list_runs() -> Iterator[Run]:
    """Every run with a job, the newest first. The history tells of those without (`every_run`)."""
    for run in every_run():
        try:
            _ = run.job
        except (DamagedFileError, UnknownNameError):
            continue
        yield run


def delete_run(name: str) -> None:
    """Remove a run that is over from disk; raises ExplorerError while it is not."""
    delete_runs([name])


def delete_runs(names: Sequence[str]) -> None:
    """Remove runs from disk, all of them or none; raises ExplorerError while one is not over."""
    runs = [find_run(name) for name in names]
    for run in runs:
        state = run.state()
        if not state.over:
            raise ExplorerError(f"The run {run.id} is still {state.name}: stop it first.")
    for run in runs:
        if not remove(run.folder):
            raise gone(run.id)


def write_atomically(path: Path, text: str) -> None:
    """Readers see the old file or the new one, never half of it."""
    beside = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def _event(line: str, number: int) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict) and isinstance(found.get("kind"), str):
        return found
    return {"kind": "damaged", "reason": f"line {number} of {EVENTS} cannot be read"}


def gone(name: str) -> UnknownNameError:
    """The error for a run that is not there, or no longer."""
    shown = name if len(name) <= 60 else f"{name[:57]}…"
    return UnknownNameError(f"There is no run {shown!r}: it may have been deleted.")


def _read_owner(path: Path) -> Owner | None:
    """Whose the run is; None where nobody can tell, as of a process that has ended."""
    try:
        return read_stored(path, Owner)
    except (FileNotFoundError, DamagedFileError):
        return None


def _alive(owner: Owner | None) -> bool:
    """Whether the process that owns the run lives; its start tells it from a reused number."""
    try:
        process = psutil.Process(owner.pid) if owner else None
        same = process is not None and abs(process.create_time() - owner.started) < 1
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
