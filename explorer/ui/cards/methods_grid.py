"""All methods as small cards, and their abilities as one table."""

from collections.abc import Sequence

from markupsafe import Markup

from explorer.budget.trainable import TrainableCount
from explorer.catalogue.method import Method
from explorer.ui.cards.method import ABILITIES
from explorer.ui.cards.sources import computed, sourced
from explorer.ui.cards.values import compact, share
from explorer.ui.markup import element, joined

SHARE = "Trainable over all parameters of the model that is counted on."


def method_grid(found: Sequence[tuple[Method, TrainableCount | str]], total: int) -> Markup:
    """A card for each method with what it trains, or why that cannot be counted."""
    if not found:
        return element("p", "No method has all of that.", class_="faint")
    return element("div", joined(_card(m, counted, total) for m, counted in found), class_="grid")


def _card(method: Method, counted: TrainableCount | str, total: int) -> Markup:
    address = f"?tab=methods&view=method&method={method.id}"
    first = method.idea.split(". ")[0].rstrip(".") + "."
    badges = [element("span", method.family, class_="badge")]
    if method.survey:
        badges.append(element("span", "survey", class_="badge accent"))
    badges += [
        element("span", words, class_="badge")
        for words, has in (("merges", method.merges), ("4-bit", method.works_on_4bit))
        if has
    ]
    if method.unsupported:
        badges.append(element("span", "does not run here", class_="badge warn"))
    return element(
        "article",
        element("h2", element("a", method.name, href=address, data_method=method.id)),
        element("p", joined(badges), class_="badges"),
        element("p", first, class_="idea"),
        element("p", _count(method, counted, total), class_="count"),
        class_="method-card",
    )


def _count(method: Method, counted: TrainableCount | str, total: int) -> Markup:
    if isinstance(counted, str):
        return element("span", counted, class_="unknown")
    find = method.source_of
    value = sourced(compact(counted.total), method.trainable.source, find)
    part = computed(SHARE, share(counted.total, total), tag="span")
    return joined([value, " trainable, ", part])


def capability_table(methods: Sequence[Method]) -> Markup:
    """Every method against everything that was measured; each no with its reason."""
    heads = [
        "Method",
        "Family",
        "Starts as base",
        *(label.capitalize() for label in ABILITIES.values()),
    ]
    head = element("tr", joined(element("th", word, scope="col") for word in heads))
    rows = [_row(method) for method in methods]
    body = element(
        "table", element("thead", head), element("tbody", joined(rows)), class_="plain matrix"
    )
    return element("article", element("div", body, class_="scroll tall", tabindex=0), class_="card")


def _row(method: Method) -> Markup:
    address = f"?tab=methods&view=method&method={method.id}"
    cells = [_mark(method, name) for name in ABILITIES]
    return element(
        "tr",
        element("th", element("a", method.name, href=address, data_method=method.id), scope="row"),
        element("td", method.family),
        element("td", _able(method.starts_as_base)),
        joined(element("td", cell) for cell in cells),
    )


def _able(able: bool) -> Markup:
    words = "yes" if able else "no"
    sign = element("span", "✓" if able else "✗", aria_hidden="true")
    return element("span", sign, f" {words}", class_="able" if able else "unable")


def _mark(method: Method, name: str) -> Markup:
    held = method.capability
    if held is None:
        return element("span", "not run", class_="unknown", title=method.unsupported)
    note = held.why.get(name) or held.versions
    return sourced(_able(getattr(held, name)), held.source, method.source_of, note)
