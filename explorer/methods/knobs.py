"""A config's knobs, read as the catalogue reads them: the same forms taken, the same wording."""

from explorer.catalogue.knob import Knob


def whole(config: object, name: str, low: int, high: int) -> None:
    """Make the knob a whole number from `low` to `high`, or raise ExplorerError."""
    _read(config, name, Knob(type="int", help=name, default=low, min=low, max=high))


def number(config: object, name: str, low: float, high: float) -> None:
    """Make the knob a number from `low` to `high`, or raise ExplorerError."""
    _read(config, name, Knob(type="float", help=name, default=low, min=low, max=high))


def switch(config: object, name: str) -> None:
    """Make the knob true or false, or raise ExplorerError."""
    _read(config, name, Knob(type="bool", help=name, default=False))


def choice(config: object, name: str, choices: tuple[str, ...]) -> None:
    """Make the knob one of `choices`, or raise ExplorerError."""
    _read(config, name, Knob(type="choice", help=name, default=choices[0], choices=choices))


def _read(config: object, name: str, knob: Knob) -> None:
    setattr(config, name, knob.read(name, getattr(config, name)))
