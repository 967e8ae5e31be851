"""View: the plan as a file: a table, JSON, CSV, the program that runs it."""

from collections.abc import Sequence

from explorer.budget.export import as_csv, as_json, as_markdown
from explorer.budget.forecast import Budget
from explorer.budget.script import training_script
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import unknown
from explorer.ui.budget.case import Case
from explorer.ui.budget.pins import read_pins

FORMATS = {"md": "Markdown", "csv": "CSV", "json": "JSON", "py": "Python program"}
LANGUAGES = {"md": "markdown", "json": "json", "py": "python"}


def text(case: Case, kind: str, pins: str = "") -> str:
    """The budget (and those of the pinned plans) in this format. ExplorerError for a wrong one."""
    return written([case.budget, *_pinned(case, pins)], case.catalogue, kind)


def written(budgets: Sequence[Budget], catalogue: Catalogue, kind: str) -> str:
    """Budgets in this format; the program is that of the first. ExplorerError for a wrong one."""
    if kind not in FORMATS:
        raise unknown("format", kind, FORMATS)
    if kind == "py":
        return training_script(budgets[0].resolved, catalogue)
    return _WRITERS[kind](budgets)


def _pinned(case: Case, pins: str) -> Sequence[Budget]:
    return [found.budget for _, found in read_pins(case, pins) if isinstance(found, Case)]


def name(case: Case, kind: str) -> str:
    """A name for the file."""
    model = "config" if case.plan.architecture else case.plan.model
    return f"{model}-{case.plan.method}-budget.{kind}"


_WRITERS = {"md": as_markdown, "csv": as_csv, "json": as_json}
