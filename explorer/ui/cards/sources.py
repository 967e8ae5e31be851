"""Where a value was read: a box that opens on hover, focus or touch, with links."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from markupsafe import Markup, escape

from explorer.catalogue.paper import Paper
from explorer.catalogue.record import Source, source_key
from explorer.ui.markup import element, joined, link

COUNTED_HERE = "Counted on this card."

Document = Source | Paper
Find = Callable[[str], Document | None]


def finder(sources: Mapping[str, Source]) -> Find:
    """Looks up the document that a source entry names; None for derived, computed and the like."""
    return lambda entry: sources.get(source_key(entry))


def sourced(value: Any, entries: Iterable[str], find: Find, note: str | None = None) -> Markup:
    """A value whose source is within reach: hover, focus or touch it."""
    listed = [source_line(entry, find) for entry in entries]
    told = element("span", note, class_="tip-note") if note else None
    tip = element(
        "span",
        told,
        element("span", "Source", class_="tip-head"),
        *listed,
        class_="tip",
        role="note",
    )
    shown = element("span", value, class_="sourced", tabindex=0)
    return element("span", shown, tip, class_="with-source")


def source_line(entry: str, find: Find) -> Markup:
    """One source: the document with a link and the place in it, or how the value was come by."""
    key, _, place = entry.partition(":")
    document = find(entry)
    if document is None:
        return element(
            "span",
            element("em", key.strip().capitalize()),
            ": ",
            place.strip(),
            class_="tip-source",
        )
    parts = [link(document.title, document.url)]
    if place.strip():
        parts.append(Markup(", {}").format(place.strip()))
    parts.append(element("span", f" · read {document.accessed:%d %b %Y}", class_="faint"))
    if isinstance(document, Source) and document.kind == "third party":
        parts.append(element("span", " · third party", class_="faint"))
    return element("span", *parts, class_="tip-source")


def source_words(entries: Iterable[str], sources: Mapping[str, Source]) -> str:
    """Source entries in words, for where there is no room for a box: titles and places."""
    told = []
    for entry in entries:
        key, _, place = entry.partition(":")
        document = sources.get(key.strip())
        parts = (document.title if document else key.strip(), place.strip())
        told.append(", ".join(part for part in parts if part))
    return " and ".join(told)


def computed(how: str, *content: Any, tag: str = "div", **attributes: Any) -> Markup:
    """Content whose figures are computed; `how` is the formula or what it starts from.

    It opens on hover, unless the content itself says it.
    """
    inside = joined(content)
    title = None if escape(how) in inside else how
    return element(tag, inside, title=title, data_computed=how, **attributes)


def source_list(sources: Mapping[str, Source]) -> Markup:
    """All documents of a record, for the end of its card."""
    items = [element("li", source_line(key, finder(sources))) for key in sources]
    return element(
        "details",
        computed(COUNTED_HERE, f"All {len(items)} sources", tag="summary"),
        element("ul", joined(items), class_="source-list"),
        class_="fold",
    )
