"""View: how far the forecast is from runs that others measured and published."""

from collections.abc import Iterable
from statistics import median

from markupsafe import Markup

from explorer.budget.measured import Comparison, MeasuredRuns, compare_all, measured_runs
from explorer.catalogue.catalogue import Catalogue
from explorer.ui.budget.case import gib
from explorer.ui.budget.tables import row, section, table
from explorer.ui.markup import element, joined, link

NOTE = (
    "Runs that others measured, each as a plan of this calculator. The first error is that of the "
    "plain forecast, the second counts what the run's own code is known to hold besides; hover "
    "or open the reasons below each table."
)


def view(catalogue: Catalogue) -> Markup:
    """The whole view."""
    found = compare_all(catalogue)
    documents = measured_runs()
    parts = [section("Beside published runs", element("p", _band(found)), note=NOTE)]
    for document in documents.values():
        runs = [comparison for comparison in found if comparison.document == document.id]
        parts.append(_document(document, runs))
    return joined(parts)


def band(comparisons: Iterable[Comparison]) -> tuple[float, float]:
    """The median and the largest distance from what was measured, as shares."""
    errors = [abs(comparison.explained_error) for comparison in comparisons]
    return median(errors), max(errors)


def _band(found: list[Comparison]) -> str:
    middle, most = band(found)
    return (
        f"{len(found)} published runs: half of them within {middle:.1%}, the farthest {most:.1%} "
        "off, with known differences in code counted."
    )


def _document(document: MeasuredRuns, found: list[Comparison]) -> Markup:
    rows = [
        row(
            comparison.run.name,
            comparison.run.what,
            gib(comparison.run.bytes),
            gib(comparison.forecast),
            _error(comparison.error),
            _error(comparison.explained_error) if comparison.run.differs else "",
            _error(comparison.speed_error) if comparison.speed_error is not None else "",
            numeric=range(2, 7),
        )
        for comparison in found
    ]
    heads = ("Run", "What", "Measured", "Forecast", "Error", "Explained", "Speed")
    reasons = dict.fromkeys(
        difference.why for comparison in found for difference in comparison.run.differs
    )
    notes = dict.fromkeys(c.run.note for c in found if c.run.note)
    told = [element("li", words) for words in (*reasons, *notes)]
    sources = joined((link(s.title, s.url) for s in document.sources.values()), " · ")
    return section(
        document.id,
        table(heads, rows, range(2, 7)),
        element("ul", joined(told), class_="faint notes") if told else None,
        element("p", "Source: ", sources, class_="faint"),
        note=document.about,
    )


def _error(share: float) -> str:
    return f"{'+' if share > 0 else '−'}{abs(share):.1%}"
