"""What can be done with a visitor's own rows, from plain values to plain values: page, API, MCP."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from explorer.lab.base_folder import Base
from explorer.lab.bases import find_base
from explorer.lab.own_data.limits import MAX_BYTES, UploadError
from explorer.lab.own_data.preview import Preview, preview
from explorer.lab.own_data.store import Choices, delete_own, keep, own_tasks
from explorer.lab.own_data.upload import read_upload
from explorer.lab.setup import converted
from explorer.lab.words import check
from explorer.ui.errors import told

SAMPLE = 5  # rows that an answer shows


class OwnDataActions:
    """The actions; they need nothing but the run folder and a base's tokenizer."""

    @told
    def check_data(
        self, text: str, name: str = "rows.jsonl", base: str = "smollm2-135m-instruct"
    ) -> dict[str, Any]:
        """Check rows before training on them: faulty lines, lengths in tokens, what is too long.

        Args:
            text: the rows: JSONL, a JSON list, CSV, TSV or plain text.
            name: a file name; its ending says which of these it is.
            base: id of the base whose tokenizer counts.

        Returns:
            Keys form, rows, faulty, problems, warnings, limit, longest, sample.
        """
        with _written(text, name) as path:
            return told_of(look(path, name, base))

    @told
    def keep_data(  # noqa: PLR0913  # an endpoint's parameters are the fields of its form
        self,
        text: str,
        name: str = "rows.jsonl",
        title: str = "Own data",
        metric: str = "rouge-l",
        system: str = "",
        held_out: float = 0.1,
        max_length: int = 0,
        base: str = "smollm2-135m-instruct",
    ) -> str:
        """Keep rows as a task that can be raced on; returns its id, such as own-0123456789ab.

        Args:
            text: the rows: JSONL, a JSON list, CSV, TSV or plain text.
            name: a file name; its ending says which of these it is.
            title: what the task is called.
            metric: exact-match, field-f1, json-f1, accuracy or rouge-l.
            system: system message of every row; empty for none.
            held_out: share of the rows that is tested on instead of trained on.
            max_length: most tokens of a row, longer ones are left out; 0 takes all the base reads.
            base: id of the base whose tokenizer counts.
        """
        with _written(text, name) as path:
            return keep_file(path, name, title, metric, system, held_out, max_length, base)

    @told
    def list_data(self) -> list[dict[str, str]]:
        """Own data that is kept: id, name and summary of each, the newest first."""
        return [{"id": t.id, "name": t.name, "summary": t.summary} for t in own_tasks()]

    @told
    def delete_data(self, task: str) -> str:
        """Remove own data from disk for good; runs that were trained on it stay.

        Args:
            task: its id.
        """
        delete_own(task)
        return task


def look(path: Path, name: str, base: str, system: str = "", max_length: int = 0) -> Preview:
    """An uploaded file, read and measured."""
    return preview(read_upload(path, name), _counting(base), system or None, max_length)


def keep_file(  # noqa: PLR0913  # the fields of the form
    path: Path,
    name: str,
    title: str,
    metric: str,
    system: str,
    held_out: float,
    max_length: int,
    base: str,
) -> str:
    """Keep the rows of a file; returns the task's id."""
    values = {
        "name": title.strip() or Path(name).stem[:80], "metric": metric, "system": system or None,
        "held_out": held_out, "max_length": max_length or 0,
    }  # fmt: skip
    choices = check(Choices, values)
    return keep(read_upload(path, name), choices, _counting(base)).id


def told_of(found: Preview) -> dict[str, Any]:
    """A preview in plain values."""
    upload = found.upload
    return {
        "form": upload.form,
        "rows": len(upload.rows),
        "faulty": upload.faulty,
        "problems": [str(problem) for problem in upload.problems],
        "warnings": list(found.warnings),
        "limit": found.limit,
        "longest": max(found.lengths, default=0),
        "sample": [row.model_dump(mode="json") for row in upload.rows[:SAMPLE]],
    }


def _counting(base: str) -> Base:
    """A base with a tokenizer to count with: a registered one, converted where it is a GGUF."""
    return converted(find_base(base))


@contextmanager
def _written(text: str, name: str) -> Iterator[Path]:
    """The text as a file for as long as it is looked at."""
    data = text.encode("utf-8", "replace")
    if len(data) > MAX_BYTES:
        raise UploadError(f"{name:.80} has more than the {MAX_BYTES // 2**20} MiB that are taken.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        path.write_bytes(data)
        yield path
