"""A task in a few words: what is learned, how it is scored, a row, what was reached before."""

from markupsafe import Markup

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.task import Measured, Task
from explorer.lab.datasets import task_rows
from explorer.ui.markup import element, joined, paragraphs

LONGEST = 300  # characters of an example that are shown


def task_card(catalogue: Catalogue, task: Task) -> Markup:
    """The card below the choice of a task."""
    row = task_rows(task.id, "heldout")[0]
    example = element(
        "p",
        element("span", _cut(row.prompt or row.completion)),
        element("span", f" → {_cut(row.completion)}") if row.prompt else None,
        class_="task-example",
    )
    parts = [
        paragraphs(task.summary),
        example,
        element("p", task.metric_note, class_="faint"),
        _measured(catalogue, task.measured) if task.measured else None,
    ]
    return element("div", joined(parts), class_="card task-card")


def _measured(catalogue: Catalogue, measured: Measured) -> Markup:
    """Earlier runs, folded away and labelled with where they were made."""
    lines = []
    for run in measured.reached:
        known = catalogue.methods.get(run.method)
        name = known.name if known else run.method
        said = f"{name}: {run.base:.2f} → {run.tuned:.2f} ({run.low:.2f}–{run.high:.2f})"
        why = f". Base not beaten: {run.why}" if run.why else ""
        lines.append(element("li", f"{said}{why}"))
    return element(
        "details",
        element("summary", "What methods reached at their defaults"),
        element("p", f"Not here: {measured.where}.", class_="faint"),
        element("ul", *lines),
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
