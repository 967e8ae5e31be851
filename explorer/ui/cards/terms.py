"""Terms: a list of them, and texts in which they open on hover."""

import re
from collections.abc import Sequence
from functools import cache

from markupsafe import Markup, escape

from explorer.catalogue.glossary import Term, load_glossary
from explorer.ui.markup import element, joined

SHORTEST = 3  # letters; shorter spellings would be found inside other things
# Terms whose names are everyday words too: a text may well mean those.
EVERYDAY = frozenset(
    [
        "base",
        "benchmark",
        "checkpoint",
        "expert",
        "experts",
        "gate",
        "knob",
        "layer",
        "layers",
        "loss",
        "metric",
        "rank",
        "run",
        "scale",
        "seed",
        "site",
        "sites",
        "step",
        "task",
        "token",
        "tokens",
    ]
)


def terms_card(terms: Sequence[Term]) -> Markup:
    """Terms and what they mean, one under the other."""
    if not terms:
        return element("p", "No term has all of these words.", class_="faint")
    names = {term.id: term.name for term in load_glossary().values()}
    rows = [
        element(
            "div",
            element("dt", term.name, _also(term)),
            element("dd", term.text, _related(term, names)),
            class_="fact",
            id=f"term-{term.id}",
        )
        for term in terms
    ]
    return element("dl", joined(rows), class_="card terms")


def _also(term: Term) -> Markup | None:
    return element("span", f"also {', '.join(term.also)}", class_="why") if term.also else None


def _related(term: Term, names: dict[str, str]) -> Markup | None:
    if not term.related:
        return None
    links = [
        element("a", names[name], href=f"?tab=benchmarks&view=terms&term={names[name]}")
        for name in term.related
    ]
    return element("span", "See ", joined(links, ", "), class_="why")


def explained(text: str, most: int = 4) -> Markup:
    """The text with the first mention of a few glossary terms opening their meaning on hover."""
    spellings = _spellings()
    seen: set[str] = set()
    parts: list[Markup] = []
    place = 0
    for found in _pattern().finditer(text):
        term = spellings[found.group().lower()]
        if term.id in seen or len(seen) >= most:
            continue
        seen.add(term.id)
        parts += [escape(text[place : found.start()]), _opening(found.group(), term)]
        place = found.end()
    return joined([*parts, text[place:]])


def _opening(words: str, term: Term) -> Markup:
    tip = element(
        "span",
        element("span", term.name, class_="tip-head"),
        element("span", term.text),
        class_="tip",
        role="note",
    )
    return element(
        "span", element("dfn", words, tabindex=0, class_="term"), tip, class_="with-source"
    )


@cache
def _spellings() -> dict[str, Term]:
    named = ((name, term) for term in load_glossary().values() for name in (term.name, *term.also))
    return {name.lower(): term for name, term in named if _telling(name)}


def _telling(name: str) -> bool:
    return len(name) >= SHORTEST and name.lower() not in EVERYDAY


@cache
def _pattern() -> re.Pattern[str]:
    longest_first = sorted(_spellings(), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, longest_first))})(?![\w-])", re.I)
