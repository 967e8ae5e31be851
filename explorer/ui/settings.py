"""Knobs as one line of text, for links and hand-overs: `r=16; target_modules=q_proj,v_proj`."""

from collections.abc import Mapping
from typing import Any

from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.method import Method


def read(text: str) -> dict[str, str]:
    """The settings in `text`, as typed. Raises ExplorerError for a part without `=`."""
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise ExplorerError(
                f"{part!r:.80} is no setting; settings look like r=16; use_dora=true."
            )
        found[name.strip()] = value.strip()
    return found


def values(method: Method, text: str) -> dict[str, Any]:
    """Every knob's value with these settings. ExplorerError for a wrong name or value."""
    return method.read_knobs(read(text))


def fitting(method: Method, text: str) -> str:
    """The settings that this method takes too, for when another method is chosen."""
    kept = {}
    for name, raw in read(text).items():
        try:
            method.read_knobs({name: raw})
        except ExplorerError:
            continue
        kept[name] = raw
    return write(kept)


def changed(method: Method, chosen: Mapping[str, Any]) -> str:
    """The settings among `chosen` that differ from the method's own values."""
    usual = method.read_knobs()
    read_back = method.read_knobs({k: v for k, v in chosen.items() if v not in (None, "", [])})
    return write({name: v for name, v in read_back.items() if v != usual[name]})


def write(chosen: Mapping[str, Any]) -> str:
    """One line of text that `read` reads."""
    return "; ".join(f"{name}={_typed(value)}" for name, value in chosen.items())


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)
