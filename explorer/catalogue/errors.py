"""The errors that people see: sentences with the value, what is allowed and the nearest name."""

from collections.abc import Iterable
from difflib import get_close_matches


class ExplorerError(ValueError):
    """A mistake in an input or a file, worded for the person who made it."""


class UnknownNameError(ExplorerError):
    """A name that nothing answers to."""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The known name closest to `name`, or None when nothing is close."""
    lowered = {known.lower(): known for known in names}
    matches = get_close_matches(str(name).lower(), lowered, n=1, cutoff=0.5)
    return lowered[matches[0]] if matches else None


def unknown(kind: str, name: str, names: Iterable[str], limit: int = 8) -> UnknownNameError:
    """The error for a `kind` called `name` that is not among `names`."""
    known = sorted(names)
    shown = repr(name if len(str(name)) <= 80 else f"{str(name)[:77]}…")
    match = nearest(name, known)
    if match:
        return UnknownNameError(f"There is no {kind} {shown}. Did you mean {match!r}?")
    listed = ", ".join(known[:limit]) + (", …" if len(known) > limit else "")
    return UnknownNameError(f"There is no {kind} {shown}. Known: {listed or 'none'}.")
