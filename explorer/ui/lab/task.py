"""A task in a few words: what is learned, how it is scored, a row, what was reached before."""

from markupsafe import Markup

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.task import Task
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
        _measured(catalogue, task) if task.measured else None,
    ]
    return element("div", joined(parts), class_="card task-card")


def _measured(catalogue: Catalogue, task: Task) -> Markup:
    """Earlier runs, folded away, labelled with where and when they were made."""
    assert task.measured is not None  # the caller has looked
    survey = [method.id for method in catalogue.methods.values() if method.survey]
    known = [run for run in task.measured.reached if run.method in catalogue.methods]
    missed = [run.method for run in known if run.why and run.method in survey]
    lines = []
    for run in known:
        said = (
            f"{catalogue.methods[run.method].name} at {run.learning_rate:g}: {run.base:.2f} → "
            f"{run.tuned:.2f} ({run.low:.2f}–{run.high:.2f})"
        )
        why = f". Base not beaten: {run.why}" if run.why else ""
        lines.append(element("li", f"{said}{why}"))
    where, date = task.measured.where, task.measured.date
    return element(
        "details",
        element("summary", _verdict(len(survey), len(missed))),
        element("p", f"Not here: {where}, {date:%d %B %Y}.", class_="faint"),
        element("ul", *lines),
        element("p", f"python -m explorer race --task {task.id} makes it again.", class_="faint"),
    )


def _verdict(methods: int, missed: int) -> str:
    """Whether the survey's methods beat the base at their defaults, in a line."""
    if not missed:
        return f"At their defaults all {methods} methods of the survey beat the base here"
    if missed == methods:
        return "At their defaults no method of the survey beats the base here, and why"
    return f"At their defaults {missed} of {methods} methods of the survey do not beat the base"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
