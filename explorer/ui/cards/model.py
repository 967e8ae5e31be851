"""A model's card: the figures that size it, then every field of its file, grouped."""

from typing import Any

from markupsafe import Markup

from explorer.budget.params import count_parameters
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.model import Model
from explorer.catalogue.record import Fact
from explorer.ui.cards.facts import fact_row
from explorer.ui.cards.fields import BY_NAME, Field, fact, fields_by_group
from explorer.ui.cards.sources import (
    COUNTED_HERE,
    Find,
    computed,
    finder,
    source_list,
    sourced,
)
from explorer.ui.cards.values import compact, day, tokens
from explorer.ui.markup import element, joined

NOT_APPLICABLE = "does not apply"


def model_head(catalogue: Catalogue, model: Model) -> Markup:
    """The top of a card: name, generation and the figures that one wants first."""
    return element(
        "article", _head(catalogue, model), _figures(model, finder(model.sources)), class_="card"
    )


def model_facts(model: Model) -> Markup:
    """Every field of the model's file with its source, grouped; then what does not apply."""
    find = finder(model.sources)
    groups = [_group(name, model, fields, find) for name, fields in fields_by_group().items()]
    return element(
        "article",
        _two_columns([group for group in groups if group]),
        _left_out(model),
        source_list(model.sources),
        class_="card",
    )


def no_shape(model: Model) -> Markup:
    """Why there is no drawing."""
    reasons = dict.fromkeys(model.unknown_shape.values())
    told = f"There is nothing to draw: the shape of {display_name(model)} is {', '.join(reasons)}."
    return element("p", told, class_="unknown")


def _two_columns(groups: list[Markup]) -> Markup:
    """The groups in order, the first half of their text beside the second."""
    lengths = [group.count("<dt>") + group.count("pair-key") + 3 for group in groups]
    left = next(
        (i for i in range(1, len(groups)) if 2 * sum(lengths[:i]) >= sum(lengths)), len(groups)
    )
    columns = (joined(groups[:left]), joined(groups[left:]))
    return element(
        "div", joined(element("div", column) for column in columns), class_="fact-groups"
    )


def display_name(model: Model) -> str:
    """The model's name; its id where even the name is unknown."""
    return model.name.value or model.id


def _head(catalogue: Catalogue, model: Model) -> Markup:
    generation = catalogue.generation(model.generation)
    disputed = len(model.disputed)
    badges = [
        element("span", generation.name, class_="badge"),
        element("span", model.release_status.value or "status unknown", class_="badge")
        if model.released
        else element("span", "never released", class_="badge warn"),
        computed(COUNTED_HERE, f"{disputed} disputed by sources", tag="span", class_="badge warn")
        if disputed
        else None,
    ]
    date = model.release_date
    told = sourced(day(date.value), date.source, finder(model.sources)) if date.value else None
    return element(
        "header",
        element("h2", display_name(model)),
        element(
            "p",
            joined(badges, " "),
            element("span", told, class_="faint") if told else None,
            class_="badges",
        ),
        class_="card-head",
    )


def _figures(model: Model, find: Find) -> Markup:
    """The few numbers that one wants first, large."""
    arch = model.architecture
    tiles = [
        _tile("parameters", model.exact_total_params, compact, find),
        _tile("context", model.max_context, tokens, find),
        _tile("layers", model.num_hidden_layers, str, find),
        _tile("hidden size", model.hidden_size, str, find),
        _tile("vocabulary", model.vocab_size, compact, find),
    ]
    if arch is not None and arch.is_moe:
        active = count_parameters(arch).active
        entries = ["computed: the text model without the experts that a token is not sent to"]
        tiles.insert(1, _figure("active for each token", sourced(compact(active), entries, find)))
    return element("div", joined(tiles), class_="figures")


def _tile(label: str, held: Fact[Any], wording: Any, find: Find) -> Markup:
    if held.value is None:
        words = element("span", "unknown", class_="unknown", title=held.note)
        return _figure(label, sourced(words, held.source, find, held.note))
    return _figure(label, sourced(wording(held.value), held.source, find, held.note))


def _figure(label: str, value: Markup) -> Markup:
    return element(
        "div",
        element("span", value, class_="figure-value"),
        element("span", label, class_="figure-label"),
        class_="figure",
    )


def _group(name: str, model: Model, fields: list[Field], find: Find) -> Markup | None:
    told = [(field, fact(model, field)) for field in fields]
    rows = [fact_row(field, held, find) for field, held in told if held and not applies_not(held)]
    if not rows:
        return None
    title = element("h3", name.capitalize())
    return element("section", title, element("dl", joined(rows)), class_="fact-group")


def applies_not(held: Fact[Any]) -> bool:
    """Whether this kind of model has no such field at all."""
    return held.value is None and bool(held.note) and held.note.startswith(NOT_APPLICABLE)


def _left_out(model: Model) -> Markup | None:
    """Fields that this kind of model does not have, and fields that its file leaves unsaid."""
    reasons: dict[str, list[str]] = {}
    for name, field in BY_NAME.items():
        held = getattr(model, name)
        if held is not None and applies_not(held):
            reason = held.note.removeprefix(NOT_APPLICABLE).lstrip(": ")
            reasons.setdefault(reason, []).append(field.label)
    if not reasons:
        return None
    lines = [
        element("li", element("strong", ", ".join(labels)), f": {reason}")
        for reason, labels in reasons.items()
    ]
    number = sum(map(len, reasons.values()))
    return element(
        "details",
        computed(COUNTED_HERE, f"{number} fields do not apply to this model", tag="summary"),
        element("ul", joined(lines)),
        class_="fold",
    )
