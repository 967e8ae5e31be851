"""TOML files to records, strictly: an error names the file, the key and the nearest valid one."""

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from explorer.catalogue.errors import ExplorerError, nearest

DATA = Path(__file__).resolve().parents[2] / "data"

R = TypeVar("R", bound=BaseModel)


class DataFileError(ExplorerError):
    """A data file that cannot be read as what it should be."""


def read_toml(path: Path) -> dict[str, Any]:
    """The file's table; raises DataFileError with the line where TOML itself is broken."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataFileError(f"{path.name}: there is no such file in {path.parent}.") from error
    except UnicodeDecodeError as error:
        raise DataFileError(f"{path.name}: not UTF-8 text (byte {error.start}).") from error
    except tomllib.TOMLDecodeError as error:
        raise DataFileError(f"{path.name}: not valid TOML: {error}.") from error


def load_record(path: Path, record: type[R]) -> R:
    """One file as a record whose id is the file's stem (a folder's name for `task.toml` files)."""
    table = read_toml(path)
    if "id" in table:
        raise DataFileError(f"{path.name}: 'id' is the file's name and is not written inside it.")
    identity = path.parent.name if path.stem in {"task", "checkpoint"} else path.stem
    try:
        return record.model_validate({"id": identity, **table})
    except ValidationError as error:
        raise DataFileError(f"{path.name}: {sentences(error, record)}.") from error


def load_folder(folder: Path, record: type[R], pattern: str = "*.toml") -> dict[str, R]:
    """Every file of a folder by id, in the order of the ids."""
    records = [load_record(path, record) for path in folder.glob(pattern)]
    by_id = {item.id: item for item in records}  # type: ignore[attr-defined]  # every record has one
    return dict(sorted(by_id.items()))


def sentences(error: ValidationError, record: type[BaseModel], most: int = 6) -> str:
    """Pydantic's errors in words: the key, what is wrong, the nearest valid key."""
    return "; ".join(_sentence(detail, record) for detail in error.errors()[:most])


def _sentence(detail: ErrorDetails, record: type[BaseModel]) -> str:
    location = [str(part) for part in detail["loc"]]
    key = ".".join(location) or "file"
    if detail["type"] == "extra_forbidden":
        match = nearest(location[-1], _fields_at(record, location[:-1]))
        return f"unknown key {key!r}" + (f", did you mean {match!r}?" if match else "")
    if detail["type"] == "missing":
        return f"missing key {key!r}"
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "value_error":
        return f"{key}: {message}" if location else message
    return f"{key} = {detail['input']!r:.80}: {message}"


def _fields_at(record: type[BaseModel], location: list[str]) -> list[str]:
    """Field names of the record that an error's location leads to."""
    current: Any = record
    for part in location:
        field = getattr(current, "model_fields", {}).get(part)
        if field is None:
            continue  # a dictionary key or a list index: its record was found by the step before
        current = _record_in(field.annotation)
    return list(getattr(current, "model_fields", {}))


def _record_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _record_in(part)
        if found is not None:
            return found
    return None
