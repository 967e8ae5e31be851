"""An uploaded file as rows, with what is wrong with it, and its split."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from explorer.lab.datasets import Row
from explorer.lab.own_data.forms import KEYS, Form, form_of, row_of
from explorer.lab.own_data.limits import MIN_ROWS, TOLD_PROBLEMS, UploadError
from explorer.lab.own_data.readers import BrokenLine, read_records

LONGEST_NAME = 80


@dataclass(frozen=True)
class Problem:
    """What is wrong with one line, or with one row of a file that has no lines."""

    line: int
    sentence: str
    unit: str = "line"

    def __str__(self) -> str:
        return f"{self.unit} {self.line}: {self.sentence}"


@dataclass(frozen=True)
class Upload:
    """What was read. `problems` are the first faulty lines, `faulty` how many there are."""

    name: str
    form: Form
    rows: tuple[Row, ...]
    lines: tuple[int, ...]  # where each row stands in the file
    problems: tuple[Problem, ...]
    faulty: int
    unit: str = "line"

    def demand_whole(self) -> None:
        """Raise UploadError when any line is faulty or when there are too few rows."""
        if self.faulty:
            told = "; ".join(str(problem) for problem in self.problems[:3])
            more = f"; and {self.faulty - 3:,} more lines" if self.faulty > 3 else ""
            raise UploadError(f"{self.name}, {told}{more}.")
        if len(self.rows) < MIN_ROWS:
            has = "one row" if len(self.rows) == 1 else f"{len(self.rows)} rows"
            raise UploadError(
                f"{self.name} has {has}; at least {MIN_ROWS} are needed, so that some can be "
                "held out."
            )


def read_upload(path: Path, name: str) -> Upload:
    """Read and check a file. The first record that has a known form decides it for all.

    Raises UploadError for what is no data at all; faulty lines are told in the result.
    """
    name = name if len(name) <= LONGEST_NAME else f"…{name[-LONGEST_NAME:]}"
    unit = "row" if name.lower().endswith(".parquet") else "line"
    form: Form | None = None
    rows, lines, problems, faulty = [], [], [], 0
    for line, record in read_records(path, name):
        try:
            if isinstance(record, BrokenLine):
                raise record
            form = form or form_of(record)
            if form is None:
                raise BrokenLine(f"none of the known forms, which are {_forms()}{_keys(record)}")
            rows.append(row_of(record, form))
            lines.append(line)
        except BrokenLine as broken:
            faulty += 1
            if len(problems) < TOLD_PROBLEMS:
                problems.append(Problem(line, str(broken), unit))
    if form is None:
        raise UploadError(f"{name}, {problems[0]}." if problems else f"{name} holds no rows.")
    return Upload(name, form, tuple(rows), tuple(lines), tuple(problems), faulty, unit)


def split(rows: Sequence[Row], held_out: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Training and held-out rows. Rows with the same prompt stay on the same side.

    At least two rows are held out and at least two are trained on; both keep the file's order.
    Raises UploadError when that cannot be done.
    """
    if not 0.01 <= held_out <= 0.9:
        raise UploadError(f"held out = {held_out}: it takes a share from 0.01 to 0.9.")
    # A plain text has no prompt: the text itself tells rows apart.
    keys = [(row.history, row.prompt, "" if row.prompt else row.completion) for row in rows]
    distinct = list(dict.fromkeys(keys))
    if len(distinct) < 4:
        raise UploadError(
            f"Prompts that differ: {len(distinct)}; at least 4 are needed, so that some can be "
            "held out."
        )
    number = min(max(2, round(held_out * len(distinct))), len(distinct) - 2)
    chosen = set(random.Random(seed).sample(distinct, number))
    kept = [row for row, key in zip(rows, keys, strict=True) if key not in chosen]
    return kept, [row for row, key in zip(rows, keys, strict=True) if key in chosen]


def _keys(record: object) -> str:
    """The keys that there are instead, shortened."""
    if not isinstance(record, dict) or not record:
        return ""
    return f"; this has {', '.join(map(repr, record)):.120}"


def _forms() -> str:
    return ", ".join(" + ".join(needed) for needed, _ in KEYS.values())
