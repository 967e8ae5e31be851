"""View: how far the forecast is from runs that others measured and published."""

from collections.abc import Callable, Iterable
from statistics import median

from markupsafe import Markup

from explorer.budget.export import gib
from explorer.budget.measured import Comparison, MeasuredRuns, compare_all, measured_runs
from explorer.catalogue.catalogue import Catalogue
from explorer.ui.budget.tables import row, section, table
from explorer.ui.markup import element, joined, link

NOTE = (
    "Runs that others measured, each as a plan of this calculator. The error is that of the plain "
    "forecast; where a run's own code is known to hold more than transformers does, the explained "
    "error counts that in, and the reasons stand below the table."
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
        f"{len(found)} published runs: half of them within {100 * middle:.1f} %, the farthest "
        f"{100 * most:.1f} % off, with known differences in code counted."
    )


def _document(document: MeasuredRuns, found: list[Comparison]) -> Markup:
    columns = [
        (head, [write(comparison) for comparison in found]) for head, write in _COLUMNS.items()
    ]
    columns = [(head, cells) for head, cells in columns if any(cells)]
    numeric = [at for at, (head, _) in enumerate(columns) if head not in ("Run", "What")]
    rows = [row(*(cells[at] for _, cells in columns), numeric=numeric) for at in range(len(found))]
    reasons = dict.fromkeys(
        difference.why for comparison in found for difference in comparison.run.differs
    )
    notes = dict.fromkeys(c.run.note for c in found if c.run.note)
    told = [element("li", words) for words in (*reasons, *notes)]
    sources = joined((link(s.title, s.url) for s in document.sources.values()), " · ")
    return section(
        document.id,
        table([head for head, _ in columns], rows, numeric),
        element("ul", joined(told), class_="faint notes") if told else None,
        element("p", "Source: ", sources, class_="faint"),
        note=document.about,
    )


def _error(share: float | None) -> str:
    if share is None:
        return ""
    return f"{100 * (round(share, 3) + 0.0):+.1f} %".replace("-", "−")


_COLUMNS: dict[str, Callable[[Comparison], str]] = {
    "Run": lambda found: found.run.name,
    "What": lambda found: found.run.what,
    "Measured": lambda found: gib(found.run.bytes),
    "Forecast": lambda found: gib(found.forecast),
    "Error": lambda found: _error(found.error),
    "Explained": lambda found: _error(found.explained_error) if found.run.differs else "",
    "Speed": lambda found: _error(found.speed_error),
}
