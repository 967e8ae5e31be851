"""Where own data is kept: a folder beside the runs, shaped like a built-in task."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from explorer.catalogue.errors import UnknownNameError, unknown
from explorer.catalogue.record import Record
from explorer.catalogue.task import Metric, Task
from explorer.lab.bases import Base
from explorer.lab.datasets import OWN, OWN_ID, find_task, own_folder
from explorer.lab.folders import made_at, remove
from explorer.lab.own_data.lengths import answer_lengths, row_lengths
from explorer.lab.own_data.limits import MAX_CHARACTERS, UploadError
from explorer.lab.own_data.preview import row_limit
from explorer.lab.own_data.upload import Upload, split
from explorer.lab.stored import DamagedFileError
from explorer.lab.words import check

LONGEST_ANSWER = 256  # tokens that are generated for a held-out row


class Choices(Record):
    """What a visitor decides about own data."""

    name: str = Field(default="Own data", min_length=1, max_length=80)
    metric: Metric = "rouge-l"
    system: str | None = Field(default=None, max_length=MAX_CHARACTERS)
    held_out: float = 0.1
    seed: int = Field(default=0, ge=0, lt=2**31)
    steps: int = Field(default=60, ge=1, le=100_000)
    max_length: int = 0  # tokens of a row; longer ones are left out. 0: what the base can read


def keep(upload: Upload, choices: Choices, base: Base) -> Task:
    """Split the rows and keep them as a task; raises UploadError where they are not whole."""
    upload.demand_whole()
    limit = row_limit(base, choices.max_length)
    lengths = row_lengths(upload.rows, base, choices.system)
    fitting = [row for row, n in zip(upload.rows, lengths, strict=True) if n <= limit]
    if not fitting:
        raise UploadError(
            f"{upload.name}: every row is longer than the {limit:,} tokens that {base.id} reads; "
            f"the shortest has {min(lengths):,}."
        )
    train, held_out = split(fitting, choices.held_out, choices.seed)
    longest = max(n for n in lengths if n <= limit)
    left_out = len(upload.rows) - len(fitting)
    name = f"{OWN}{secrets.token_hex(6)}"
    table: dict[str, Any] = {
        "name": choices.name,
        "summary": f"{len(fitting):,} own rows ({upload.form}) from {upload.name}"
        + (f"; {left_out:,} were too long." if left_out else "."),
        "mirrors": "nothing published: these are the visitor's own rows",
        "teaches": "both",
        "system": choices.system,
        "metric": choices.metric,
        "metric_note": "chosen with the data",
        "max_new_tokens": min(max(answer_lengths(held_out, base)) + 8, LONGEST_ANSWER),
        # Another base's tokenizer may need more tokens for the same rows.
        "max_length": min(2 * longest + 64, row_limit(base, 0)),
        "steps": choices.steps,
        "licence": "the visitor's own",
        "made": f"uploaded, split by seed {choices.seed}",
        "presets": tuple(row.prompt for row in held_out[:3] if row.prompt),
    }
    task = check(Task, {"id": name, **table})
    _write_folder(own_folder() / name, task, train, held_out)
    return task


def own_tasks() -> Iterator[Task]:
    """Every kept data set that can be read, the newest first."""
    folders = own_folder().iterdir() if own_folder().is_dir() else ()
    names = [(made_at(path), path.name) for path in folders if OWN_ID.fullmatch(path.name)]
    for _, name in sorted(names, reverse=True):
        try:
            yield find_task(name)
        except (DamagedFileError, UnknownNameError):
            continue  # of another version, or deleted while we looked


def delete_own(name: str) -> None:
    """Remove kept data from disk; raises UnknownNameError where there is none of that id."""
    folder = own_folder() / name
    if not OWN_ID.fullmatch(name) or not remove(folder):
        raise unknown("own data set", name, [task.id for task in own_tasks()])


def _write_folder(folder: Path, task: Task, train: list[Any], held_out: list[Any]) -> None:
    """All files, or none that anybody sees."""
    hidden = folder.with_name(f".{folder.name}")
    hidden.mkdir(parents=True)
    _write(hidden / "train.jsonl", train)
    _write(hidden / "heldout.jsonl", held_out)
    text = task.model_dump_json(indent=1, exclude={"id"})
    (hidden / "task.json").write_text(text, encoding="utf-8")
    hidden.rename(folder)


def _write(path: Path, rows: list[Any]) -> None:
    lines = (json.dumps(row.model_dump(exclude_defaults=True), ensure_ascii=False) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
