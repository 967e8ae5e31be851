"""Checks of a knob's value, with the wording that the catalogue's knobs have."""

from explorer.catalogue.knob import Knob


def whole(name: str, value: object, low: int, high: int) -> None:
    """Raise ExplorerError unless `value` is a whole number from `low` to `high`."""
    Knob(type="int", help=name, min=low, max=high).read(name, value)


def number(name: str, value: object, low: float, high: float) -> None:
    """Raise ExplorerError unless `value` is a number from `low` to `high`."""
    Knob(type="float", help=name, min=low, max=high).read(name, value)


def switch(name: str, value: object) -> None:
    """Raise ExplorerError unless `value` is true or false."""
    Knob(type="bool", help=name).read(name, value)


def choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise ExplorerError unless `value` is one of `choices`."""
    Knob(type="choice", help=name, choices=choices).read(name, value)
