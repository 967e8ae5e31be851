"""Parquet files, unpacked by a process of their own with bounds on memory and time.

A few kilobytes of Parquet can stand for gigabytes (a dictionary's entry repeated, runs of equal
values), and its header need not tell the truth: only a limit on the process that unpacks it holds.
Here is both that process, `python -m explorer.lab.own_data.parquet FILE`, and its caller.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from explorer.lab.own_data import limits
from explorer.lab.own_data.limits import UploadError

REFUSED = 3  # exit code: the last line of stderr is a sentence for the visitor
ROWS_AT_ONCE = 64
TOLD_COLUMNS = 50  # of those that are not used: a name may be a slip of a used one
USED = ("prompt", "completion", "messages", "instruction", "input", "output", "text")


def parquet_rows(path: Path, name: str) -> Iterator[tuple[int, Any]]:
    """The rows with their numbers from 1. Raises UploadError for no Parquet and for too much."""
    root = str(Path(__file__).resolve().parents[3])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": paths, "ARROW_DEFAULT_MEMORY_POOL": "system"}
    command = [sys.executable, "-m", __name__, str(path)]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as complaints,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=complaints, env=environment, encoding="utf-8"
        ) as unpacking,
    ):
        unpacked = 0
        try:
            lines = iter(lambda: unpacking.stdout.readline(limits.MAX_LINE), "")
            for number, line in enumerate(lines, start=1):
                unpacked += len(line)
                if len(line) == limits.MAX_LINE:
                    raise UploadError(
                        f"{name}, row {number}: more than {limits.MAX_LINE:,} characters, which "
                        "is the most that a row may have."
                    )
                if unpacked > limits.MAX_UNPACKED:
                    raise UploadError(
                        f"{name} unpacks to more than {limits.MAX_UNPACKED // 2**20} MiB, which "
                        "is the most that is taken."
                    )
                yield number, json.loads(line)
        finally:
            unpacking.kill()  # one that has ended is left alone
        code = unpacking.wait()
        complaints.seek(0)
        said = complaints.read().strip().splitlines()
    if code == REFUSED:
        raise UploadError(f"{name} {said[-1]}")
    if code < 0:  # ended by the system
        raise UploadError(
            f"{name} cannot be unpacked within {limits.MAX_MEMORY // 2**30} GiB of memory and "
            f"{limits.MAX_SECONDS} s."
        )
    if code:
        raise UploadError(f"{name} cannot be unpacked: {said[-1] if said else code!s:.200}.")


def unpack(path: Path) -> None:
    """Print every row as a line of JSON; what it refuses, it refuses in a sentence."""
    import pyarrow  # noqa: PLC0415  # the caller never needs it
    import pyarrow.parquet  # noqa: PLC0415

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            rows = file.metadata.num_rows
            if rows > limits.MAX_ROWS:
                _refuse(f"has {rows:,} rows; at most {limits.MAX_ROWS:,} are taken.")
            _print_rows(file)
    except MemoryError:
        _refuse(f"needs more than {limits.MAX_MEMORY // 2**30} GiB of memory to be unpacked.")
    except (pyarrow.ArrowException, OSError) as error:
        _refuse(f"is not a Parquet file that can be read ({_first_line(error)}).")


def _print_rows(file: Any) -> None:
    """The columns that can be trained on; of the others, whatever they hold, only the names."""
    names = file.schema_arrow.names
    used = [name for name in names if name in USED]
    others = {name: "null" for name in names[:TOLD_COLUMNS] if name not in USED}
    begun = 0
    for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=used, use_threads=False):
        columns = []
        for name in used:
            try:
                values = batch.column(name).to_pylist()
                columns.append([json.dumps(value, default=_as_text) for value in values])
            except (ValueError, OverflowError, LookupError, TypeError) as error:
                _refuse(
                    f"cannot be read, rows {begun + 1} to {begun + len(batch)}, column {name}: "
                    f"{_first_line(error)}."
                )
        for number in range(len(batch)):
            row = others | {name: cells[number] for name, cells in zip(used, columns, strict=True)}
            pairs = (f"{json.dumps(name)}: {cell}" for name, cell in row.items())
            sys.stdout.write(f"{{{', '.join(pairs)}}}\n")
        begun += len(batch)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{lines[0].rstrip('.'):.160}"


def _as_text(value: Any) -> str:
    """Bytes are often text without the mark of it; the rest are dates and decimals."""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _refuse(sentence: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"\n{sentence}\n")
    sys.exit(REFUSED)


def _bound() -> None:
    """Limit this process; systems without such limits go without."""
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (limits.MAX_MEMORY, limits.MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.MAX_SECONDS, limits.MAX_SECONDS))


if __name__ == "__main__":
    _bound()
    unpack(Path(sys.argv[1]))
