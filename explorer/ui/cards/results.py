"""Results that were published of a method on a LLaMA, each with its document."""

from collections.abc import Sequence

from markupsafe import Markup

from explorer.catalogue.method import Method
from explorer.catalogue.result import PublishedResult
from explorer.catalogue.scores import load_published_results, load_sources
from explorer.ui.cards.method import table
from explorer.ui.cards.sources import COUNTED_HERE, computed, finder, sourced
from explorer.ui.cards.values import compact
from explorer.ui.markup import element, joined

OPEN_AT_ONCE = 8


def results_card(method: Method) -> Markup:
    """The published results of this method; empty where there are none."""
    found = [result for result in load_published_results() if result.method == method.id]
    if not found:
        return Markup("")
    heads = ("Task", "Metric", "Result", "Base model", "Trained", "Note")
    title = computed(COUNTED_HERE, f"Published results ({len(found)})", tag="span")
    first = table(title, heads, _rows(found[:OPEN_AT_ONCE]))
    rest = None
    if len(found) > OPEN_AT_ONCE:
        more = table("", heads, _rows(found[OPEN_AT_ONCE:]))
        words = computed(COUNTED_HERE, f"{len(found) - OPEN_AT_ONCE} more results", tag="summary")
        rest = element("details", words, more, class_="fold")
    return element("article", first, rest, class_="card")


def _rows(results: Sequence[PublishedResult]) -> list[Markup]:
    find = finder(load_sources())
    return [
        element(
            "tr",
            joined(
                element("td", cell)
                for cell in (
                    result.task,
                    result.metric,
                    sourced(
                        _printed(result),
                        result.source,
                        find,
                        result.note or None,
                    ),
                    result.base_model,
                    compact(result.trainable_params)
                    if result.trainable_params
                    else result.trainable_note or "—",
                    result.not_plotted,
                )
            ),
            class_="one-source",
        )
        for result in results
    ]


def _printed(result: PublishedResult) -> str:
    """The figure as printed, with its unit unless that is part of it."""
    said = result.unit and result.unit.lower() in result.printed.lower()
    return result.printed if said else f"{result.printed} {result.unit}".strip()
