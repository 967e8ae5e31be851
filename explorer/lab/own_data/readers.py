"""Files to records with their line numbers: JSONL, JSON, CSV, TSV, Parquet and plain text."""

import codecs
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from explorer.lab.own_data.limits import (
    ENDINGS,
    MAX_BYTES,
    MAX_COLUMNS,
    MAX_LINE,
    MAX_ROWS,
    MAX_VALUES,
    UploadError,
)
from explorer.lab.own_data.parquet import parquet_rows

Record = tuple[int, Any]  # the line (or row) that it stands in, counted from 1, and what it holds
PACKED = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf")
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
SPACE = re.compile(r"[ \t\r\n]*")


class BrokenLine(Exception):  # a fault of one line among many, not an end
    """What is wrong with one line; reading goes on."""


class TwiceError(ValueError):
    """A key that stands twice in one object: which of its values is meant, nobody can tell."""


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
            f"{name} has {size / 2**20:,.1f} MiB; at most {MAX_BYTES // 2**20} MiB are taken."
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
    text = _decoded(data, name)
    if ending == ".jsonl":
        return _jsonl(text)
    if ending == ".json":
        return _json(text, name)
    if ending == ".txt":
        lines = enumerate(_lines(text), start=1)
        return ((n, {"text": line.strip()}) for n, line in lines if line.strip())
    return _table(text, name, "\t" if ending == ".tsv" else None)


def _decoded(data: bytes, name: str) -> str:
    """UTF-8, or UTF-16 that says so with its first two bytes, as Windows and Excel write it."""
    wide = data.startswith(UTF16)
    zero = data.find(b"\0")
    if zero >= 0 and not wide:
        raise UploadError(
            f"{name} is a binary file, or text in another encoding than UTF-8 (byte {zero} is "
            "zero): save it as UTF-8."
        )
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        told = (
            "it begins as UTF-16 but does not go on so: save it as UTF-8"
            if wide
            else "not UTF-8 text"
        )
        line = data[: error.start].count(b"\n") + 1
        raise UploadError(f"{name}, line {line}: {told}.") from error
    if "\0" in text:
        raise UploadError(f"{name} is a binary file, not text: save it as UTF-8.")
    return text


def _lines(text: str) -> Iterator[str]:
    """The lines as editors count them, one at a time; a Unicode line separator is a character."""
    return iter(io.StringIO(text, newline=""))


def _jsonl(text: str) -> Iterator[Record]:
    for number, line in enumerate(_lines(text), start=1):
        if len(line) > MAX_LINE:
            yield number, BrokenLine(f"{len(line):,} characters; a line has at most {MAX_LINE:,}")
        elif line.strip():
            try:
                yield number, DECODER.decode(line.rstrip("\r\n"))
            except TwiceError as error:
                yield number, BrokenLine(str(error))
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
    line, counted = 1, 0
    closing = "["
    while closing != "]":
        place = SPACE.match(text, place + 1).end()  # type: ignore[union-attr]
        if closing == "[" and text[place : place + 1] == "]":
            break
        line, counted = line + text.count("\n", counted, place), place
        try:
            found, place = DECODER.raw_decode(text, place)
        except TwiceError as error:
            raise UploadError(f"{name}, line {line}: {error}.") from error
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
    after = SPACE.match(text, place + 1).end()  # type: ignore[union-attr]
    if after < len(text):
        broken = line + text.count("\n", counted, after)
        raise UploadError(
            f"{name}, line {broken}: something follows the end of the list. One list holds all "
            "rows; rows of their own, a line each, are a .jsonl file."
        )


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        times = Counter(key for key, _ in pairs)
        twice = next(key for key, count in times.items() if count > 1)
        raise TwiceError(f"the key {twice!r:.80} stands twice")
    return found


DECODER = json.JSONDecoder(object_pairs_hook=_once_each)


def _table(text: str, name: str, delimiter: str | None) -> Iterator[Record]:
    if delimiter is None:
        first = next((line for line in _lines(text) if line.strip()), "")
        delimiter = max(",;\t", key=first.count)
    reader = csv.reader(_lines(text), delimiter=delimiter, strict=True)
    head: list[str] = []
    begins = 1  # a row in quotes goes over several lines: it stands where it begins
    try:
        for cells in reader:
            number, begins = begins, reader.line_num + 1
            if not cells:  # a blank line
                continue
            if not head:
                head = _columns(cells, name, number)
            elif len(cells) > len(head):
                yield number, BrokenLine(f"more than the {len(head)} columns")
            else:
                yield number, dict(zip(head, cells, strict=False))
    except csv.Error as error:
        raise UploadError(f"{name}, line {reader.line_num}: not a table ({error}).") from error


def _columns(cells: list[str], name: str, line: int) -> list[str]:
    """The names in a table's first line, without the space that people write after a comma."""
    cells = [cell.strip() for cell in cells]
    if len(cells) > MAX_COLUMNS:
        raise UploadError(
            f"{name}, line {line}: {len(cells):,} columns; at most {MAX_COLUMNS:,} are taken, and "
            "at most three are used."
        )
    twice = [cell for number, cell in enumerate(cells) if cell and cell in cells[:number]]
    if twice:
        raise UploadError(f"{name}, line {line}: two columns are called {twice[0]!r:.80}.")
    return cells
