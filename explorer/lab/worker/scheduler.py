"""Whose turn it is: tasks are generators, and the one that has had the least time goes next."""

import contextlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy
import torch

Work = Iterator[Any]  # yields what is to be told, or None, after every bit of work

TALK, TRAIN = 4.0, 1.0  # shares: who waits for an answer is served four times as much


class Randomness:
    """The random generators' states, so that each task draws as if it ran alone."""

    def __init__(self) -> None:
        self._cuda = torch.cuda.is_initialized()
        self._state = self._read()

    @contextlib.contextmanager
    def mine(self) -> Iterator[None]:
        """Inside, the generators continue where this task left them."""
        others = self._read()
        self._write(self._state)
        try:
            yield
        finally:
            self._state = self._read()
            self._write(others)

    def _read(self) -> tuple[Any, ...]:
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
        return torch.get_rng_state(), random.getstate(), numpy.random.get_state(), cuda

    def _write(self, state: tuple[Any, ...]) -> None:
        torch.set_rng_state(state[0])
        random.setstate(state[1])
        numpy.random.set_state(state[2])
        if state[3] is not None:
            torch.cuda.set_rng_state_all(state[3])


@dataclass
class Task:
    """A generator with the time that it has had, divided by its share."""

    id: str
    work: Work
    share: float
    had: float = 0.0
    randomness: Randomness = field(default_factory=Randomness)


@dataclass(frozen=True)
class Turn:
    """What came of one turn: something to tell, None, or the end of the task."""

    task: str
    told: Any = None
    over: bool = False


class Scheduler:
    """Weighted fair queueing over generators. Not thread-safe: one thread submits and takes turns.

    A task that joins starts level with the one that has had least, so that it is served soon but
    cannot starve those that were there before.
    """

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}

    def add(self, name: str, work: Work, share: float) -> None:
        """Put a task in line."""
        level = min((task.had for task in self.tasks.values()), default=0.0)
        self.tasks[name] = Task(name, work, share, level)

    def drop(self, name: str) -> bool:
        """Close a task's generator; returns whether there was one."""
        task = self.tasks.pop(name, None)
        if task is None:
            return False
        with task.randomness.mine():
            task.work.close()
        return True

    def turn(self) -> Turn | None:
        """One bit of work of the task whose turn it is, or None when there is no task."""
        if not self.tasks:
            return None
        task = min(self.tasks.values(), key=lambda task: task.had)
        begun = time.perf_counter()
        try:
            with task.randomness.mine():
                told = next(task.work)
        except StopIteration:
            del self.tasks[task.id]
            return Turn(task.id, over=True)
        except BaseException:
            del self.tasks[task.id]
            raise
        task.had += (time.perf_counter() - begun) / task.share
        return Turn(task.id, told)
