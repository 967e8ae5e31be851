"""Rows to train and test on: a task's own files, read strictly, line by line."""

import json
import re
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from explorer.catalogue.catalogue import DATA
from explorer.catalogue.errors import unknown
from explorer.catalogue.load import DataFileError, load_record
from explorer.catalogue.record import Record
from explorer.catalogue.task import Task
from explorer.lab.folders import runs_folder
from explorer.lab.stored import read_stored

Split = Literal["train", "heldout"]


OWN = "own-"  # ids of visitors' data: these are not in data/tasks but beside the runs
OWN_ID = re.compile(rf"{OWN}[0-9a-f]{{12}}")


class Message(Record):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Row(Record):
    """One example: what is asked and the answer that is learnt.

    `history` are messages before the prompt. An empty prompt makes it plain text: all of it is
    learnt, and no chat template goes around it.
    """

    history: tuple[Message, ...] = ()
    prompt: str = ""
    completion: str = Field(min_length=1)


def own_folder() -> Path:
    """Where visitors' data is kept."""
    return runs_folder() / "datasets"


def find_task(name: str, data: Path = DATA) -> Task:
    """The task with this id, built-in or a visitor's own, without reading the whole catalogue."""
    if OWN_ID.fullmatch(name) and (own_folder() / name / "task.json").is_file():
        return read_stored(own_folder() / name / "task.json", Task, id=name)
    known = {path.parent.name: path for path in sorted((data / "tasks").glob("*/task.toml"))}
    if name not in known:
        raise unknown("task", name, known)
    return load_record(known[name], Task)


def task_rows(task: str, split: Split, data: Path = DATA) -> tuple[Row, ...]:
    """The rows of one of the task's files; raises DataFileError naming file and line."""
    return read_rows(task_file(task, split, data))


def task_file(task: str, split: Split, data: Path = DATA) -> Path:
    """Where a task's rows stand; raises DataFileError where they are not, or no longer."""
    folder = own_folder() if OWN_ID.fullmatch(task) else data / "tasks"
    return _demanded(folder / task / f"{split}.jsonl")


def _demanded(path: Path) -> Path:
    if not path.is_file():
        raise DataFileError(f"{path.name}: there is no such file in {path.parent.name}.")
    return path


def read_rows(path: Path) -> tuple[Row, ...]:
    """A JSONL file of prompts and completions."""
    lines = _demanded(path).read_text(encoding="utf-8").split("\n")
    numbered = enumerate(lines, start=1)
    return tuple(_row(path, number, line) for number, line in numbered if line)


def _row(path: Path, number: int, line: str) -> Row:
    try:
        return Row.model_validate(json.loads(line))
    except json.JSONDecodeError as error:
        raise DataFileError(f"{path.name}, line {number}: not JSON ({error.msg}).") from error
    except ValidationError as error:
        detail = error.errors()[0]
        key = ".".join(str(part) for part in detail["loc"])
        raise DataFileError(f"{path.name}, line {number}: {key}: {detail['msg']}.") from error
