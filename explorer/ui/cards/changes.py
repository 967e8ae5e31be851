"""A comparison of models as a table: what differs, why it matters, what it costs."""

from collections.abc import Sequence
from functools import partial

from markupsafe import Markup

from explorer.catalogue.generation import Generation
from explorer.catalogue.model import Model
from explorer.ui.cards.facts import fact_value
from explorer.ui.cards.model import applies_not, display_name
from explorer.ui.cards.sources import computed, finder, sourced
from explorer.ui.cards.terms import explained
from explorer.ui.cards.values import bytes_words, compact, flops, signed
from explorer.ui.changes import Change
from explorer.ui.costs import Cost, cost
from explorer.ui.markup import element, joined, link

COUNTED = ["computed: from the shape, with the formulas of the Budget tab"]
NOTHING = "no weights, cache or FLOPs"
RATIO = "Divided by the first model's."
ALONE = (
    "Computed: the first model's shape with this one change, everything else as it is, "
    "less the first model."
)
UNITS = (("parameters", " parameters"), ("cache", " of cache"), ("arithmetic", ""))


def comparison(models: Sequence[Model], groups: dict[str, list[Change]]) -> Markup:
    """The whole table: costs first, then the groups."""
    heads = [element("td", class_="label")]
    heads += [element("th", display_name(model), scope="col") for model in models]
    bodies = [_costs(models)]
    bodies += [_group(name, rows, models) for name, rows in groups.items()]
    table = element(
        "table",
        element("thead", element("tr", joined(heads))),
        joined(bodies),
        class_="comparison",
        style=f"--models: {len(models)}",
    )
    told = None if groups else element("p", "These models have the same shape and the same data.")
    return element("article", element("div", table, class_="scroll"), told, class_="card")


def _costs(models: Sequence[Model]) -> Markup:
    known = [cost(model.architecture) if model.architecture else None for model in models]
    rows = (
        ("Parameters", "parameters", "What has to be stored."),
        ("Active for each token", "active", "What a token of text goes through."),
        ("KV cache for each token", "cache", "Bytes in bfloat16; times the tokens in use."),
        (
            "Arithmetic for each token",
            "arithmetic",
            "The matrices in a forward pass; scores add to it with length.",
        ),
    )
    made = [_heading("what it comes to", len(models))]
    for label, name, why in rows:
        cells = [_cost_cell(held, known[0], name, i) for i, held in enumerate(known)]
        made.append(_row(label, why, cells))
    return element("tbody", joined(made))


def _cost_cell(held: Cost | None, first: Cost | None, name: str, place: int) -> Markup:
    if held is None:
        return element("span", "shape not published", class_="unknown")
    value = getattr(held, name)
    shown = sourced(_quantity(name, value), COUNTED, finder({}))
    if not place or first is None or getattr(first, name) == value:
        return shown
    ratio = value / getattr(first, name)
    times = computed(RATIO, f"× {ratio:.3g}", tag="span", class_="delta")
    return joined([shown, times], " ")


def _quantity(name: str, value: float) -> str:
    if name == "cache":
        return bytes_words(value)
    return flops(value) if name == "arithmetic" else compact(value)


def _heading(name: str, models: int) -> Markup:
    words = element("th", name, scope="rowgroup", colspan=models + 1)
    return element("tr", words, class_="group")


def _row(label: str, why: str, cells: Sequence[Markup]) -> Markup:
    told = element("span", explained(why, 2), class_="why") if why else None
    head = element("th", element("span", label), told, scope="row", class_="label")
    return element("tr", head, joined(element("td", cell) for cell in cells))


def _group(name: str, rows: Sequence[Change], models: Sequence[Model]) -> Markup:
    made = [_heading(name, len(models))]
    for row in rows:
        cells = [_cell(row, models, place) for place in range(len(models))]
        made.append(_row(row.field.label, row.field.why, cells))
    return element("tbody", joined(made))


def _cell(row: Change, models: Sequence[Model], place: int) -> Markup:
    held = row.facts[place]
    if held is None:
        return element("span", "not stated", class_="unknown")
    if applies_not(held):
        return element("span", "—", class_="unknown", title=held.note)
    value = fact_value(row.field, held, finder(models[place].sources))
    alone = row.costs[place]
    return value if alone is None else joined([value, _alone(alone)])


def _alone(alone: Cost) -> Markup:
    """What this change by itself adds to or takes from the first model."""
    parts = [
        f"{signed(getattr(alone, name), partial(_quantity, name))}{words}"
        for name, words in UNITS
        if getattr(alone, name)
    ]
    parts = parts or [NOTHING]
    chips = [element("span", part, class_="delta") for part in parts]
    return computed(ALONE, joined(chips, " "), tag="span", class_="alone")


def lineage_card(path: Sequence[Generation]) -> Markup:
    """What the generations on the way changed, in words, each with its source."""
    if not path:
        return Markup("")
    return element("article", joined(_generation(generation) for generation in path), class_="card")


def _read_in(generation: Generation) -> Markup:
    """The documents that the words on a generation rest on, in one line."""
    links = [link(source.title, source.url) for source in generation.sources.values()]
    return element("span", "Read in ", joined(links, "; "), ".", class_="said-by")


def _generation(generation: Generation) -> Markup:
    find = finder(generation.sources)
    rows = [
        element(
            "div",
            element("dt", change.group),
            element(
                "dd",
                sourced(change.what, change.source, find),
                element("p", change.why, class_="why"),
                class_="one-source",
            ),
            class_="fact",
        )
        for change in generation.changes
    ]
    return element(
        "section",
        element("h2", f"What {generation.name} changed"),
        element("p", explained(generation.summary), _read_in(generation), class_="faint"),
        element("dl", joined(rows)),
        class_="fact-group wide",
    )
