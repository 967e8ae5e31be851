"""Rows to train and test on: a task's own files, read strictly, line by line."""

import json
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from explorer.catalogue.catalogue import DATA
from explorer.catalogue.errors import unknown
from explorer.catalogue.load import DataFileError, load_record
from explorer.catalogue.record import Record
from explorer.catalogue.task import Task

Split = Literal["train", "heldout"]


class Row(Record):
    """One example: what is asked and the answer that is learnt."""

    prompt: str = Field(min_length=1)
    completion: str = Field(min_length=1)


def find_task(name: str, data: Path = DATA) -> Task:
    """The task with this id, without reading the rest of the catalogue."""
    known = {path.parent.name: path for path in sorted((data / "tasks").glob("*/task.toml"))}
    if name not in known:
        raise unknown("task", name, known)
    return load_record(known[name], Task)


def task_rows(task: str, split: Split, data: Path = DATA) -> tuple[Row, ...]:
    """The rows of one of the task's files; raises DataFileError naming file and line."""
    return read_rows(data / "tasks" / task / f"{split}.jsonl")


def read_rows(path: Path) -> tuple[Row, ...]:
    """A JSONL file of prompts and completions."""
    if not path.is_file():
        raise DataFileError(f"{path.name}: there is no such file in {path.parent.name}.")
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(_row(path, number, line) for number, line in enumerate(lines, start=1))


def _row(path: Path, number: int, line: str) -> Row:
    try:
        return Row.model_validate(json.loads(line))
    except json.JSONDecodeError as error:
        raise DataFileError(f"{path.name}, line {number}: not JSON ({error.msg}).") from error
    except ValidationError as error:
        detail = error.errors()[0]
        key = ".".join(str(part) for part in detail["loc"])
        raise DataFileError(f"{path.name}, line {number}: {key}: {detail['msg']}.") from error
