"""The survey's five methods, an aspect a row."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from explorer.catalogue.method import Method
from explorer.ui.cards.method import documents
from explorer.ui.cards.sources import sourced
from explorer.ui.markup import element, joined, link

DESCRIBED = ("Idea", "At the start", "What is saved", "Extra latency")
COUNTED = ("Trainable parameters", "Share of the model", "Formula")
MEASURED = ("Starts as the base", "Merges into the base", "Works on a 4-bit base")


def survey_table(methods: Sequence[Method], columns: Sequence[Mapping[str, str]]) -> Markup:
    """A column for each method; what is counted or measured with its source."""
    heads = [element("td", class_="label")]
    heads += [element("th", method.name, scope="col") for method in methods]
    aspects = [name for name in columns[0] if name not in ("Method", "Link")]
    rows = [
        element(
            "tr",
            element("th", aspect, scope="row", class_="label"),
            joined(
                element("td", _cell(method, aspect, column), data_of=method.name)
                for method, column in zip(methods, columns, strict=True)
            ),
        )
        for aspect in aspects
    ]
    table = element(
        "table",
        element("thead", element("tr", joined(heads))),
        element("tbody", joined(rows)),
        class_="comparison survey",
        style=f"--models: {len(methods)}",
    )
    return element("article", element("div", table, class_="scroll", tabindex=0), class_="card")


def _cell(method: Method, aspect: str, column: Mapping[str, str]) -> Markup:
    text = column[aspect]
    if aspect in COUNTED:
        words = element("code", text) if aspect == "Formula" else text
        return sourced(words, method.trainable.source, method.source_of, method.trainable.note)
    if aspect in MEASURED and method.capability:
        return sourced(text, method.capability.source, method.source_of, method.capability.versions)
    if aspect == "Paper" and method.paper:
        return link(text, method.paper.url)
    if aspect in DESCRIBED:
        return sourced(text, documents(method), method.source_of)
    return element("span", text)
