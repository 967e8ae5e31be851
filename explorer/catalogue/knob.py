"""Knobs: the hyperparameters of a method, and how a value given for one is read and checked."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import model_validator

from explorer.catalogue.errors import ExplorerError, unknown
from explorer.catalogue.record import Record

LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
ALL_LINEAR = "all-linear"

Value = int | float | bool | str | tuple[str, ...] | tuple[int, ...] | None


class Knob(Record):
    """One hyperparameter, under the name that the method's peft config gives it.

    A knob without a default may be left unset; `help` says what then happens. `sites` is a list of
    linears (or "all-linear"), `ints` a list of whole numbers, `choice` one of `choices`. A list has
    something in it unless it `may_be_empty`.
    """

    type: Literal["int", "float", "bool", "choice", "sites", "ints", "text"]
    help: str
    source: tuple[str, ...] = ()  # of figures in `help`
    default: Value = None
    min: int | float | None = None
    max: int | float | None = None
    choices: tuple[bool | str, ...] = ()
    even: bool = False
    may_be_empty: bool = False

    @model_validator(mode="after")
    def _makes_sense(self) -> "Knob":
        if (self.type == "choice") != bool(self.choices):
            raise ValueError("a knob has choices exactly when its type is choice")
        if self.type == "int" and (self.min is None or self.max is None):
            raise ValueError("an int knob needs min and max")
        if self.may_be_empty and self.type not in ("sites", "ints"):
            raise ValueError("only a list may be empty")
        if self.default is not None:
            self.read("default", self.default)
        return self

    @property
    def range(self) -> str:
        """What is allowed, in words."""
        if self.type == "choice":
            return "one of " + ", ".join(_shown(choice) for choice in self.choices)
        if self.type == "bool":
            return "true or false"
        if self.type in ("int", "float"):
            kind = {"int": "a whole number", "float": "a number"}[self.type]
            kind = kind.replace("a whole", "an even whole") if self.even else kind
            return f"{kind}{self._limits()}"
        none = ", or nothing" if self.may_be_empty else ""
        return {
            "sites": f"names of linears such as {', '.join(LINEARS)}, or {ALL_LINEAR}{none}",
            "ints": f"a list of whole numbers{self._limits()}{none}",
            "text": "a text",
        }[self.type]

    def _limits(self) -> str:
        if self.min is not None and self.max is not None:
            return f" from {self.min} to {self.max}"
        if self.min is not None:
            return f" of at least {self.min}"
        return "" if self.max is None else f" of at most {self.max}"

    def read(self, name: str, raw: Any) -> Value:
        """The value of the knob `name` given as `raw`: its own type, or text as typed or linked.

        Lists are comma separated in text. Raises ExplorerError with the value and what is allowed.
        """
        if raw is None and self.default is None:
            return None
        if self.may_be_empty and raw in ("", [], ()):
            return ()
        reader = {
            "int": _whole, "float": _number, "bool": _switch, "choice": self._choice,
            "sites": _names, "ints": _wholes, "text": _text,
        }[self.type]  # fmt: skip
        try:
            value = reader(raw)
            self._check(value)
        except ValueError as error:
            raise ExplorerError(f"{name} = {_shown(raw)}: it takes {self.range}.") from error
        return value

    def _choice(self, raw: Any) -> bool | str:
        for choice in self.choices:
            if type(raw) is type(choice) and raw == choice:
                return choice
            if isinstance(raw, str) and raw.lower() == _shown(choice).lower():
                return choice
        raise ValueError

    def _check(self, value: Value) -> None:
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, str | bool):
                continue
            if (self.min is not None and number < self.min) or (
                self.max is not None and number > self.max
            ):
                raise ValueError
            if self.even and number % 2:
                raise ValueError


def read_knobs(knobs: Mapping[str, Knob], raw: Mapping[str, Any]) -> dict[str, Value]:
    """Every knob's value: those of `raw` checked, the rest at their defaults.

    Raises UnknownNameError for a name that is no knob, ExplorerError for a value out of range.
    """
    for name in raw:
        if name not in knobs:
            raise unknown("knob", name, knobs)
    return {
        name: knob.read(name, raw[name]) if name in raw else knob.default
        for name, knob in knobs.items()
    }


def _shown(value: Any) -> str:
    """A value as it is typed on a command line, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _whole(raw: Any) -> int:
    if isinstance(raw, bool) or (isinstance(raw, float) and not raw.is_integer()):
        raise ValueError
    if not isinstance(raw, int | float | str) or len(str(raw)) > 40:
        raise ValueError
    return int(raw)


def _number(raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str) or len(str(raw)) > 40:
        raise ValueError
    value = float(raw)
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError
    return value


def _switch(raw: Any) -> bool:
    words = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
    if isinstance(raw, bool):
        return raw
    if not isinstance(raw, str) or raw.lower() not in words:
        raise ValueError
    return words[raw.lower()]


def _items(raw: Any) -> list[Any]:
    if isinstance(raw, str):
        return [part.strip() for part in raw.split(",") if part.strip()]
    if isinstance(raw, list | tuple | set | frozenset):
        return sorted(raw) if isinstance(raw, set | frozenset) else list(raw)
    raise ValueError


def _names(raw: Any) -> tuple[str, ...]:
    names = _items(raw)
    if names == [ALL_LINEAR]:
        return LINEARS
    if not names or not all(isinstance(n, str) and n.isidentifier() and len(n) < 80 for n in names):
        raise ValueError
    return tuple(dict.fromkeys(names))


def _wholes(raw: Any) -> tuple[int, ...]:
    values = tuple(_whole(item) for item in (_items(raw) if not isinstance(raw, int) else [raw]))
    if not values:
        raise ValueError
    return values


def _text(raw: Any) -> str:
    if not isinstance(raw, str) or len(raw) > 10_000:
        raise ValueError
    return raw
