"""Strict CSV: the header is the record's fields, every row becomes one, errors name the line."""

import csv
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from explorer.catalogue.errors import unknown
from explorer.catalogue.load import DataFileError, sentences
from explorer.catalogue.record import Record, Source, check_entry

R = TypeVar("R", bound=Record)
Row = dict[str, str]

# Columns whose empty cell is an empty text; elsewhere it means that the field is left out.
MAY_BE_EMPTY = frozenset({"method", "model", "shots", "metric", "part"})


def read_rows(path: Path, columns: Collection[str]) -> Iterator[tuple[int, Row]]:
    """Rows with their line numbers. Raises DataFileError naming file, line or column."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_header(path, reader.fieldnames or [], columns)
            for row in reader:
                if None in row or None in row.values():
                    raise DataFileError(
                        f"{path.name}:{reader.line_num}: a row needs {len(columns)} cells."
                    )
                yield reader.line_num, row
    except FileNotFoundError as error:
        raise DataFileError(f"{path.name}: there is no such file in {path.parent}.") from error
    except UnicodeDecodeError as error:
        raise DataFileError(f"{path.name}: not UTF-8 text (byte {error.start}).") from error
    except csv.Error as error:
        raise DataFileError(f"{path.name}: not valid CSV: {error}.") from error


def _check_header(path: Path, header: Collection[str], columns: Collection[str]) -> None:
    for name in header:
        if name not in columns:
            raise DataFileError(f"{path.name}: {unknown('column', name, columns)}")
    missing = sorted(set(columns) - set(header))
    if missing:
        raise DataFileError(f"{path.name}: missing column {missing[0]!r}.")


def row_record(
    place: str, row: Mapping[str, Any], record: type[R], sources: Mapping[str, Source]
) -> R:
    """A row as a record; `source` holds entries divided by semicolons.

    `place` is the file and line that an error names.
    """
    entries = tuple(entry.strip() for entry in row["source"].split(";") if entry.strip())
    try:
        for entry in entries:
            check_entry("source", entry, sources)
    except ValueError as error:
        raise DataFileError(f"{place}: {error}.") from error
    filled = {name: cell for name, cell in row.items() if cell != "" or name in MAY_BE_EMPTY}
    try:
        return record.model_validate(filled | {"source": entries})
    except ValidationError as error:
        raise DataFileError(f"{place}: {sentences(error, record)}.") from error


def known(place: str, kind: str, name: str, names: Collection[str]) -> None:
    """Raise DataFileError when `name` is none of `names`."""
    if name not in names:
        raise DataFileError(f"{place}: {unknown(kind, name, names)}")
