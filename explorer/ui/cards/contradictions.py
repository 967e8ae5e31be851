"""Where sources contradict each other: who says what, and which figure is used here."""

from collections.abc import Sequence

from markupsafe import Markup

from explorer.catalogue.contradiction import Contradiction
from explorer.catalogue.scores import load_sources
from explorer.ui.cards.sources import finder, source_line
from explorer.ui.markup import element, joined


def contradictions_card(found: Sequence[Contradiction], names: dict[str, str]) -> Markup:
    """All of them, one under the other; `names` are models' and methods' names by id."""
    if not found:
        return element("p", "Sources agree on all of that.", class_="faint")
    return element("div", joined(_one(item, names) for item in found), class_="stack")


def _one(item: Contradiction, names: dict[str, str]) -> Markup:
    find = finder(load_sources())
    sayings = [
        element(
            "li",
            element("span", saying.says),
            joined(
                element("span", source_line(entry, find), class_="said-by")
                for entry in saying.source
            ),
        )
        for saying in item.sayings
    ]
    touched = [
        element("a", names.get(model, model), href=f"?tab=generations&view=model&model={model}")
        for model in item.models
    ]
    touched += [
        element("a", names.get(method, method), href=f"?tab=methods&view=method&method={method}")
        for method in item.methods
    ]
    return element(
        "article",
        element("h2", item.title),
        element("p", element("span", item.kind, class_="badge"), " ", joined(touched, ", ")),
        element("ul", joined(sayings), class_="notes"),
        element("p", element("strong", "Used here: "), item.used, class_="used-here"),
        class_="card panel",
        id=f"contradiction-{item.id}",
    )
