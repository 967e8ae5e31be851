"""Walks a rendered page and finds the figures that say neither their source nor their formula.

A *figure* is a number in text that a visitor sees, apart from numbers that only name something:
- names of the catalogue (LLaMA-Adapter V2, Llama 3.1 8B, HumanEval+), the sizes that models are
  called by ("the 70B"), and the version behind a software's name (peft 0.21);
- words that a digit is a part of: bf16, q4, L2, 4-bit, 3-D, 2nd, arXiv 2510.12178;
- code: a formula, a knob, a command; and the number of a row or a step.

A figure is *sourced* if it stands
- in a value with a source box (`.with-source`) that links a document or says how the value was
  come by (derived, computed, inferred, measured: …);
- in the words of a link to a document, or in the box that tells a source;
- in an entry that names its documents beneath its text (`.said-by`), or that is one statement of
  one document (`.one-source`): a row with its result, a claim with its remark.
It is *computed* if an element around it carries `data-computed`: the formula or the configuration
that it was computed from, which the visitor reads there too, as text or on hover.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.glossary import load_glossary
from explorer.ui.markup import VOID

FIGURE = re.compile(r"(?<![\w.,-])[~<>±+−×-]?\s?\d+(?:[.,]\d+)*[kKMBT]?(?![.,]?\d|[\w-]*[A-Za-z])")
FORMATS = re.compile(
    r"\b\d+[- ]?(?:bits?|D)\b"
    r"|\b(?:top|rank|arXiv|peft|Llama|layer|GPT|Gemma|CC BY)[ -]\d[\d.]*",
    re.I,
)
CODE = frozenset({"code", "script", "style", "pre"})
ENTRIES = frozenset({"li", "article", "tr", "dd", "section", "p"})


@dataclass
class Node:
    """An element: its attributes and its children, elements and texts in order."""

    tag: str
    attributes: dict[str, str]
    parent: "Node | None" = None
    children: list["Node | str"] = field(default_factory=list)

    @property
    def classes(self) -> set[str]:
        return set(self.attributes.get("class", "").split())

    def around(self) -> Iterator["Node"]:
        """The element itself and all that it stands in, the innermost first."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent

    def inside(self) -> Iterator["Node"]:
        """The element itself and all elements in it."""
        yield self
        for child in self.children:
            if isinstance(child, Node):
                yield from child.inside()

    def text(self) -> str:
        parts = (child if isinstance(child, str) else child.text() for child in self.children)
        return "".join(parts)


class Tree(HTMLParser):
    """Reads HTML into nodes; an element that is closed wrongly is an error."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.open = Node("root", {})
        self.feed(html)
        self.close()
        if self.open is not self.root:
            raise ValueError(f"<{self.open.tag}> is never closed")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs}, self.open)
        self.open.children.append(node)
        if tag not in VOID:
            self.open = node

    def handle_endtag(self, tag: str) -> None:
        if tag != self.open.tag or self.open.parent is None:
            raise ValueError(f"</{tag}> closes <{self.open.tag}>")
        self.open = self.open.parent

    def handle_data(self, data: str) -> None:
        self.open.children.append(data)


def unsourced(html: str, names: re.Pattern[str]) -> list[str]:
    """The figures of the page without a source, each with the text around it."""
    found = []
    for node in Tree(html).root.inside():
        if CODE & {around.tag for around in node.around()}:
            continue
        for child in node.children:
            figures = figures_of(child, names) if isinstance(child, str) else []
            if figures and not _is_sourced(node):
                found.append(f"{', '.join(figures)} in {child.strip()!r:.140} <{_path(node)}>")
    return found


def figures_of(text: str, names: re.Pattern[str]) -> list[str]:
    """The figures in a text, without what only names something."""
    bare = FORMATS.sub(" ", names.sub(" ", text))
    return [found.strip() for found in FIGURE.findall(bare)]


def _is_sourced(node: Node) -> bool:
    for around in node.around():
        if "with-source" in around.classes:
            return _names_a_source(around)
        if {"tip-source", "said-by"} & around.classes:
            return True
        if around.tag == "a" and around.attributes.get("href", "").startswith("http"):
            return True
        if how := around.attributes.get("data-computed"):
            return _is_told(how, around)
        if around.tag in ENTRIES and _says_by_whom(around):
            return True
        if "one-source" in around.classes and _holds_a_source(around):
            return True
    return False


def _names_a_source(value: Node) -> bool:
    boxes = [node for node in value.inside() if "tip" in node.classes]
    lines = [line for box in boxes for line in box.inside() if "tip-source" in line.classes]
    return bool(lines) and all(
        any(n.tag == "a" and n.attributes.get("href") for n in line.inside())
        or any(n.tag == "em" for n in line.inside())
        for line in lines
    )


def _holds_a_source(entry: Node) -> bool:
    return any(
        ("with-source" in node.classes and _names_a_source(node))
        or node.attributes.get("href", "").startswith("http")
        for node in entry.inside()
    )


def _says_by_whom(entry: Node) -> bool:
    return any("said-by" in node.classes and node.text().strip() for node in entry.inside())


def _is_told(how: str, around: Node) -> bool:
    return len(how) > 10 and (around.attributes.get("title") == how or how in around.text())


def _path(node: Node) -> str:
    named = [f"{n.tag}.{n.attributes.get('class', '')}".rstrip(".") for n in node.around()]
    return " < ".join(named[:4])


def names_of(catalogue: Catalogue) -> re.Pattern[str]:
    """Everything in the catalogue that has a name, longest first, as one pattern."""
    named = {model.name.value or model.id for model in catalogue.models.values()}
    for kind in ("models", "methods", "generations", "benchmarks", "hardware", "tasks"):
        for key, record in getattr(catalogue, kind).items():
            named |= {key, str(getattr(record.name, "value", record.name))}
    for benchmark in catalogue.benchmarks.values():
        named |= set(benchmark.names)
    for term in load_glossary().values():
        named |= {term.name, *term.also}
    named |= {size for name in named for size in re.findall(r"\b[\d.]+B\b", name)}
    longest = sorted((name for name in named if re.search(r"\d", name)), key=len, reverse=True)
    return re.compile(rf"(?<!\w)({'|'.join(map(re.escape, longest))})(?!\w)", re.I)
