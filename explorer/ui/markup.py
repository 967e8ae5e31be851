"""HTML from plain values: what is not marked as HTML is escaped, so data cannot add any."""

from collections.abc import Iterable
from typing import Any

from markupsafe import Markup, escape

VOID = frozenset({"br", "hr", "img", "input"})


def element(tag: str, *content: Any, **attributes: Any) -> Markup:
    """An element. `class_` stands for class, `_` in a name for `-`; None and False leave it out."""
    written = Markup("").join(
        Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), value)
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in VOID:
        return Markup("<{}{}>").format(Markup(tag), written)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), written, joined(content))


def joined(parts: Iterable[Any], between: Any = "") -> Markup:
    """The parts one after another, None left out, each escaped unless it is HTML already."""
    return escape(between).join(escape(part) for part in parts if part is not None)


def link(words: Any, url: Any) -> Markup:
    """A link to another site, which opens beside the page and is told nothing of it."""
    return element("a", words, href=str(url), target="_blank", rel="noopener noreferrer")


def paragraphs(text: str, class_: str | None = None) -> Markup:
    """A text's paragraphs (split at blank lines)."""
    found = [part.strip() for part in text.split("\n\n") if part.strip()]
    return joined(element("p", part, class_=class_) for part in found)
