"""How a value of a data file is written for a reader."""

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup
from pydantic import BaseModel

from explorer.ui.markup import element, joined

MANY = 14  # a list of numbers longer than this is told by its ends


def number(value: float) -> str:
    """1234567 as 1,234,567; 500000.0 as 500,000; 1e-05 as 1e-5; 0.1 as 0.1."""
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e15):
        return f"{int(value):,}"
    if abs(value) >= 1e15 or abs(value) < 1e-3:
        digits, power = f"{value:g}".split("e") if "e" in f"{value:g}" else (f"{value:g}", "")
        return f"{digits}e{int(power)}" if power else digits
    return f"{value:,.6g}"


def compact(value: float) -> str:
    """A large number in words: 8.03 B, 131 k."""
    for unit, name in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return (
                f"{value / unit:.3g} {name}"
                if abs(value) < 1000 * unit
                else f"{value / unit:,.0f} {name}"
            )
    return number(value)


def bytes_words(value: float) -> str:
    """Bytes in binary units: 128 KiB, 1.5 GiB."""
    for power, name in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if abs(value) >= 1024**power:
            return f"{value / 1024**power:,.4g} {name}"
    return f"{value:,.0f} B"


def flops(value: float) -> str:
    """Floating-point operations: 13.2 GFLOP."""
    for power, name in ((24, "Y"), (21, "Z"), (18, "E"), (15, "P"), (12, "T"), (9, "G"), (6, "M")):
        if abs(value) >= 10**power:
            return f"{value / 10**power:.3g} {name}FLOP"
    return f"{value:,.0f} FLOP"


def tokens(value: int) -> str:
    """A context length as people say it: 8k, 128k, 10M."""
    for unit, name in ((1024**2, "M"), (1024, "k")):
        if value >= unit and value % unit == 0:
            return f"{value // unit}{name}"
    return number(value)


def signed(value: float, wording: Any = number) -> str:
    """A difference with its sign, a true minus among them."""
    if value == 0:
        return "±0"
    return ("+" if value > 0 else "−") + wording(abs(value))


def share(part: float, whole: float) -> str:
    """A part of a whole in per cent, with three significant digits."""
    percent = 100 * part / whole if whole else 0.0
    if percent == 0:
        return "0 %"
    digits = max(0, 2 - math.floor(math.log10(abs(percent))))
    return f"{percent:.{min(digits, 6)}f} %"


def day(value: dt.date) -> str:
    """5 Apr 2025."""
    return f"{value.day} {value:%b %Y}"


def shown(value: Any) -> str | Markup:
    """Any value of a data file: numbers grouped, dates in words, tables as small lists."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, dt.date):
        return day(value)
    if isinstance(value, BaseModel):
        return _pairs({k: v for k, v in value.model_dump().items() if v not in (None, (), 0)})
    if isinstance(value, Mapping):
        return _pairs(value)
    if isinstance(value, list | tuple):
        return _listed(list(value))
    return str(value).replace("->", "→")


def _pairs(values: Mapping[str, Any]) -> Markup:
    rows = [
        element(
            "span",
            element("span", _words(key), class_="pair-key"),
            " ",
            element("span", shown(item)),
            class_="pair",
        )
        for key, item in values.items()
    ]
    return element("span", joined(rows), class_="pairs")


def differing(value: Any, reference: Any) -> Any:
    """Of a table that another source gives: what differs from the one in use."""
    value = value.model_dump() if isinstance(value, BaseModel) else value
    reference = reference.model_dump() if isinstance(reference, BaseModel) else reference
    if not (isinstance(value, Mapping) and isinstance(reference, Mapping)):
        return value
    return {key: item for key, item in value.items() if reference.get(key) != item}


def _words(key: Any) -> str:
    return str(key).replace("_", " ")


def _listed(values: list[Any]) -> str:
    if len(values) > MANY and all(isinstance(item, int) for item in values):
        return f"{', '.join(map(str, values[:4]))}, … {values[-1]} ({len(values)})"
    return ", ".join(str(shown(item)) for item in values)
