"""Files to records with their line numbers: JSONL, JSON, CSV, TSV, Parquet and plain text."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from explorer.lab.own_data.limits import (
    ENDINGS,
    MAX_BYTES,
    MAX_LINE,
    MAX_ROWS,
    MAX_VALUES,
    UploadError,
)
from explorer.lab.own_data.parquet import parquet_rows

Record = tuple[int, Any]  # the line (or row) that it stands in, counted from 1, and what it holds
PACKED = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf")
SPACE = re.compile(r"[ \t\r\n]*")


class BrokenLine(Exception):  # a fault of one line among many, not an end
    """What is wrong with one line; reading goes on."""


def read_records(path: Path, name: str) -> Iterator[Record]:
    """Every record of the file, a BrokenLine in place of one that cannot be read.

    `name` is what the visitor calls the file; its ending tells the form. Raises UploadError for a
    file that is too big, empty, binary or of an unknown form, and for too many rows.
    """
    ending = Path(name).suffix.lower()
    if ending not in ENDINGS:
        shown = ending or "no ending"
        raise UploadError(f"{name} has {shown}; data comes as {', '.join(ENDINGS)}.")
    size = path.stat().st_size
    if size == 0:
        raise UploadError(f"{name} is empty.")
    if size > MAX_BYTES:
        raise UploadError(
            f"{name} has {size / 2**20:,.0f} MiB; at most {MAX_BYTES // 2**20} MiB are taken."
        )
    parquet = ending == ".parquet"
    records = parquet_rows(path, name) if parquet else _text(path, name, ending)
    for number, record in enumerate(records):
        if number >= MAX_ROWS:
            raise UploadError(f"{name} has more than {MAX_ROWS:,} rows: take a part of it.")
        yield record


def _text(path: Path, name: str, ending: str) -> Iterator[Record]:
    data = path.read_bytes()
    if data.startswith(PACKED):
        raise UploadError(f"{name} is a packed archive: unpack it first.")
    if b"\0" in data:
        raise UploadError(f"{name} is a binary file, not text (byte {data.index(0)} is zero).")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UploadError(f"{name}, line {line}: not UTF-8 text.") from error
    if ending == ".jsonl":
        return _jsonl(text)
    if ending == ".json":
        return _json(text, name)
    if ending == ".txt":
        lines = enumerate(_lines(text), start=1)
        return ((n, {"text": line.strip()}) for n, line in lines if line.strip())
    return _table(text, name, "\t" if ending == ".tsv" else None)


def _lines(text: str) -> Iterator[str]:
    """The lines as editors count them, one at a time; a Unicode line separator is a character."""
    return iter(io.StringIO(text, newline=""))


def _jsonl(text: str) -> Iterator[Record]:
    for number, line in enumerate(_lines(text), start=1):
        if len(line) > MAX_LINE:
            yield number, BrokenLine(f"{len(line):,} characters; a line has at most {MAX_LINE:,}")
        elif line.strip():
            try:
                yield number, json.loads(line.rstrip("\r\n"))
            except json.JSONDecodeError as error:
                yield number, BrokenLine(f"not JSON ({error.msg} at column {error.colno})")
            except ValueError:  # the interpreter's limit on the digits of a whole number
                yield number, BrokenLine("a number with too many digits")
            except RecursionError:
                yield number, BrokenLine("nested too deeply")


def _json(text: str, name: str) -> Iterator[Record]:
    """The members of a list, one at a time, each with the line that it begins in."""
    values = text.count(",") + text.count("[") + text.count("{")
    if values > MAX_VALUES:
        raise UploadError(f"{name} holds more than {MAX_VALUES:,} values: save it as .jsonl.")
    place = SPACE.match(text).end()  # type: ignore[union-attr]  # it matches the empty text too
    if text[place : place + 1] != "[":
        raise UploadError(f"{name}: a .json file holds a list of rows; this is something else.")
    decoder, line, counted = json.JSONDecoder(), 1, 0
    closing = "["
    while closing != "]":
        place = SPACE.match(text, place + 1).end()  # type: ignore[union-attr]
        if closing == "[" and text[place : place + 1] == "]":
            return
        line, counted = line + text.count("\n", counted, place), place
        try:
            found, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            broken = getattr(error, "lineno", line)
            reason = getattr(error, "msg", "nested too deeply, or a number with too many digits")
            raise UploadError(f"{name}, line {broken}: not JSON ({reason}).") from error
        yield line, found
        place = SPACE.match(text, place).end()  # type: ignore[union-attr]
        closing = text[place : place + 1]
        if closing not in (",", "]"):
            broken = line + text.count("\n", counted, place)
            raise UploadError(f"{name}, line {broken}: not JSON (a comma or ] is missing).")


def _table(text: str, name: str, delimiter: str | None) -> Iterator[Record]:
    if delimiter is None:
        first = next((line for line in _lines(text) if line.strip()), "")
        delimiter = max(",;\t", key=first.count)
    reader = csv.DictReader(_lines(text), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            # A row in quotes goes over several lines: it stands where it begins.
            inside = sum(str(value).count("\n") for value in row.values())
            number = reader.line_num - inside
            if None in row:
                yield number, BrokenLine(f"more than the {len(reader.fieldnames or ())} columns")
            else:
                yield number, {key: value for key, value in row.items() if value is not None}
    except csv.Error as error:
        line = reader.reader.line_num  # DictReader's own count is behind until a row is whole
        raise UploadError(f"{name}, line {line}: not a table ({error}).") from error
