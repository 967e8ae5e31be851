"""Files that the lab wrote, read back: a power cut or another version may have left one unfit."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.load import sentences

R = TypeVar("R", bound=BaseModel)


class DamagedFileError(ExplorerError):
    """A file that cannot be read as what was written; the sentence names it."""


def read_stored(path: Path, record: type[R], **beside: Any) -> R:
    """The file as a record, with the fields `beside` that it does not hold itself.

    Raises FileNotFoundError where it is gone, and DamagedFileError.
    """
    data = path.read_bytes()
    try:
        table = json.loads(data)
        if not isinstance(table, dict):
            raise ValueError("it holds no object with keys")
        return record.model_validate(table | beside)
    except ValidationError as error:
        told = sentences(error, record, most=1)
    except RecursionError:
        told = "nested too deeply"
    except ValueError as error:
        told = str(error)
    raise DamagedFileError(f"{path.parent.name}/{path.name} cannot be read: {told:.200}.")
