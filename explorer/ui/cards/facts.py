"""One fact as HTML: its value with its source, the other claims, or why it is not known."""

from typing import Any

from markupsafe import Markup

from explorer.catalogue.record import Claim, Fact
from explorer.ui.cards.fields import Field
from explorer.ui.cards.sources import Find, sourced
from explorer.ui.cards.values import compact, differing, number, shown, tokens
from explorer.ui.markup import element, joined

MANY = 10**9  # figures with a unit are told in words from here on


def worded(field: Field, value: Any) -> str | Markup:
    """The value as a reader writes it, with the field's unit."""
    if field.group == "context" and isinstance(value, int):
        return f"{number(value)} ({tokens(value)})"
    large = isinstance(value, int | float) and value >= MANY
    words = compact(value) if field.unit and large else shown(value)
    if field.unit and isinstance(value, int | float) and not isinstance(value, bool):
        return f"{words} {field.unit}"
    return words


def fact_value(field: Field, fact: Fact[Any], find: Find) -> Markup:
    """The value in use, what other sources say, and the reason where nothing is known."""
    if fact.value is None:
        reason = element("span", fact.note, class_="unknown")
        return sourced(reason, fact.source, find) if fact.source else reason
    used = sourced(worded(field, fact.value), fact.source, find, fact.note)
    if not fact.disputed:
        return used
    claims = [_claim(field, claim, fact.value, find) for claim in fact.also]
    mark = element("span", "used here", class_="badge used")
    return element("span", used, " ", mark, joined(claims), class_="disputed")


def _claim(field: Field, claim: Claim[Any], used: Any, find: Find) -> Markup:
    value = sourced(worded(field, differing(claim.value, used)), claim.source, find, claim.note)
    note = element("span", f" {claim.note}", class_="claim-note") if claim.note else None
    return element(
        "span",
        element("span", "also claimed", class_="badge other"),
        " ",
        value,
        note,
        class_="claim one-source",
    )


def fact_row(field: Field, fact: Fact[Any], find: Find) -> Markup:
    """A row of a card: label and value."""
    return element(
        "div",
        element("dt", field.label),
        element("dd", fact_value(field, fact, find)),
        class_="fact is-disputed" if fact.disputed else "fact",
        id=None,
        data_field=field.name,
    )
