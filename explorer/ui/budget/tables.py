"""Tables of the calculator's views: numbers to the right, all in a box that scrolls."""

from collections.abc import Iterable, Sequence
from typing import Any

from markupsafe import Markup

from explorer.ui.markup import element, joined


def table(
    heads: Sequence[str], rows: Iterable[Markup], numeric: Iterable[int] = (), class_: str = ""
) -> Markup:
    """A plain table; columns whose index is in `numeric` hold numbers."""
    right = set(numeric)
    head = joined(
        element("th", word, scope="col", class_="num" if at in right else None)
        if word
        else element("td")
        for at, word in enumerate(heads)
    )
    body = element(
        "table",
        element("thead", element("tr", head)),
        element("tbody", joined(rows)),
        class_=f"plain {class_}".strip(),
    )
    return element("div", body, class_="scroll", tabindex=0)


def row(*cells: Any, numeric: Iterable[int] = (), class_: str | None = None) -> Markup:
    """A row; the first cell names it."""
    right = set(numeric)
    told = [
        element("th", cell, scope="row", class_="row-name")
        if not at
        else element("td", cell, class_="num" if at in right else None)
        for at, cell in enumerate(cells)
    ]
    return element("tr", joined(told), class_=class_)


def fold(summary: Any, *content: Any, open_: bool = False) -> Markup:
    """Something to unfold."""
    return element("details", element("summary", summary), *content, class_="fold", open=open_)


def section(title: str | None, *content: Any, note: str | None = None) -> Markup:
    """A part of a view."""
    return element(
        "section",
        element("h3", title) if title else None,
        element("p", note, class_="faint") if note else None,
        *content,
        class_="card view-part",
    )
