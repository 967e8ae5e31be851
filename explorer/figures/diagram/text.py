"""Words and numbers in a drawing: how wide they are, how they are shortened, what is escaped."""

import math
import re
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import escape, quoteattr

# Widths in em of a generous sans (Noto Sans, Segoe UI and Helvetica are at most this wide).
_NARROW = frozenset("iljI.,:;|'!()[]{} ·/`")
_WIDE = frozenset("mwMW@%&→←↑↓⇄⊙⊕∥–—…")
_WIDTHS = {"narrow": 0.33, "wide": 0.93, "upper": 0.68, "digit": 0.575, "other": 0.575}
MONO_WIDTH = 0.605

# Size in pixels, weight, and whether it is set in the fixed-width face.
TEXT_STYLES: dict[str, tuple[float, int, bool]] = {
    "title": (19, 700, False),
    "lead": (12.5, 400, False),
    "lane": (11, 700, False),
    "name": (12.5, 600, True),
    "label": (12.5, 600, False),
    "sign": (15, 600, False),
    "chip": (10.5, 600, False),
    "shape": (11.5, 400, False),
    "count": (11.5, 500, False),
    "edge": (10.5, 400, False),
    "note": (11.5, 400, False),
    "small": (10, 400, False),
}

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@lru_cache(maxsize=8192)
def width(text: str, style: str) -> float:
    """About how many pixels `text` takes in one of TEXT_STYLES: rather too many than too few."""
    size, weight, mono = TEXT_STYLES[style]
    if mono:
        return len(text) * MONO_WIDTH * size
    return sum(map(_em, text)) * size * (1.06 if weight >= 600 else 1.0)


def _em(character: str) -> float:
    if character in _NARROW:
        kind = "narrow"
    elif character in _WIDE:
        kind = "wide"
    elif character.isdigit():
        kind = "digit"
    else:
        kind = "upper" if character.isupper() or ord(character) > 0x2000 else "other"
    return _WIDTHS[kind]


def fit(text: str, style: str, room: float, smallest: float = 0.86) -> tuple[str, float]:
    """The text and the font size with which it stays within `room` pixels.

    It shrinks a little first, and is cut with an ellipsis where that is not enough.
    """
    size = TEXT_STYLES[style][0]
    needed = width(text, style)
    if needed <= room:
        return text, size
    scale = max(room / needed, smallest)
    while text and width(text + "…", style) * scale > room and needed * scale > room + 1e-6:
        text = text[:-1]
        needed = width(text + "…", style)
        if needed * scale <= room:
            return text + "…", round(size * scale, 2)
    return text, round(size * scale, 2)


def wrap(text: str, style: str, room: float) -> list[str]:
    """The text in lines that stay within `room` pixels, broken at spaces."""
    lines: list[str] = []
    for word in text.split():
        if lines and width(f"{lines[-1]} {word}", style) <= room:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines


def clean(text: Any, limit: int = 400) -> str:
    """Anything from outside as text that XML can hold: no control characters, of bounded length."""
    return _NOT_XML.sub("\ufffd", str(text)[:limit])


def escaped(text: Any) -> str:
    """Text as element content."""
    return escape(clean(text))


def quoted(text: Any) -> str:
    """Text as an attribute value, with its quotes."""
    return quoteattr(clean(text, 1000))


def count(number: int) -> str:
    """A number of parameters in words: 16.78 M, 405.9 B."""
    return _abbreviated(number, 4)


def brief(number: int) -> str:
    """The same with three digits, for narrow boxes: 229 K."""
    return _abbreviated(number, 3)


def _abbreviated(number: int, digits: int) -> str:
    for unit, name in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")):
        if number >= unit:
            value = number / unit
            decimals = min(max(digits - len(str(int(value))), 0), 2)
            return f"{value:.{decimals}f} {name}"
    return str(number)


def share(part: int, whole: int) -> str:
    """A part of a whole in per cent, with as many digits as tell it from nothing."""
    percent = 100 * part / whole if whole else 0.0
    if percent >= 10 or percent == 0:
        return f"{percent:.1f} %"
    return f"{percent:.2f} %" if percent >= 0.1 else f"{percent:.2g} %"


def shape(*sizes: int | str) -> str:
    """A tensor's shape: T × 4096."""
    return " × ".join(map(str, sizes))


def plain(value: Any) -> str:
    """A configuration's number as a reader writes it: 500000.0 is 500,000, 1e-05 is 1e-05."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return clean(value, 24)
    if float(value).is_integer() and abs(value) < 10**15:
        return f"{int(value):,}"
    return f"{value:g}"
