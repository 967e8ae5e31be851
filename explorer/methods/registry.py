"""Every method that runs here, from its data file: record, knobs, peft configuration."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from peft import PeftConfig, TaskType
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

from explorer.catalogue.catalogue import DATA
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.catalogue.load import load_folder
from explorer.catalogue.method import Method


class MethodError(ExplorerError):
    """A method that cannot be used in the way that was asked for."""


@cache
def records() -> dict[str, Method]:
    """Every method of the catalogue by id, those that do not run here among them."""
    return load_folder(DATA / "methods", Method)


def names() -> tuple[str, ...]:
    """The ids of the methods that can be attached to a LLaMA."""
    return tuple(name for name, record in records().items() if record.unsupported is None)


def record(method_id: str) -> Method:
    """The record of a method that runs.

    Raises UnknownNameError for an id that is not in the catalogue, MethodError with the reason for
    a method that does not run on a causal LLaMA.
    """
    found = records().get(method_id)
    if found is None:
        raise unknown("method", method_id, records())
    if found.unsupported is not None:
        raise MethodError(f"{found.name} does not run here: {found.unsupported}")
    return found


def build_config(method_id: str, knobs: Mapping[str, Any] | None = None) -> PeftConfig:
    """The peft configuration of a method: its `fixed` settings, and knobs checked by its record.

    Knobs may be typed values or text, as they come from a page, a link or a command line. Raises
    UnknownNameError for an unknown method or knob, ExplorerError for a value out of its range.
    """
    method = record(method_id)
    if method.peft_type is None:
        raise MethodError(f"{method.name} has no adapter and so no peft configuration.")
    values = {name: value for name, value in method.read_knobs(knobs).items() if value is not None}
    settings = method.fixed | {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items()
    }
    config = PEFT_TYPE_TO_CONFIG_MAPPING[method.peft_type]
    try:
        return config(task_type=TaskType.CAUSAL_LM, **settings)
    except ExplorerError:
        raise
    except Exception as error:  # peft refuses with whatever its code stumbles over
        told = str(error) or type(error).__name__
        raise MethodError(f"{method.name} cannot be set up like this: {told}") from error
