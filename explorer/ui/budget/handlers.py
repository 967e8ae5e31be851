"""What the Budget tab shows for the values of its form: answer, views, charts, files."""

from collections.abc import Sequence
from functools import cached_property
from html import escape
from textwrap import wrap
from typing import Any

import gradio as gr
from markupsafe import Markup

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.figures.chart import Chart
from explorer.figures.theme import Theme, silent
from explorer.ui import settings
from explorer.ui.budget import (
    cache,
    checked,
    files,
    limits,
    matrix,
    memory,
    parameters,
    pins,
    sensitivity,
    speed,
)
from explorer.ui.budget.answer import answer, mistake
from explorer.ui.budget.case import Case
from explorer.ui.budget.links import MOST_PINS, PlanLines
from explorer.ui.errors import told

NOTHING = Markup("")
PLAIN_VIEWS = {
    "memory": memory.view,
    "parameters": parameters.view,
    "speed": speed.view,
    "limits": limits.view,
    "cache": cache.view,
}


class Handlers:
    """The tab's private handlers; each takes the form's values in the order of its inputs."""

    def __init__(self, catalogue: Catalogue, lines: PlanLines) -> None:
        self.catalogue = catalogue
        self.lines = lines

    def case(self, values: Sequence[Any]) -> Case:
        """The plan of the form with its budget. ExplorerError says what is wrong with it."""
        return Case.read(
            self.catalogue, self.lines, dict(zip(self.lines.inputs, values, strict=True))
        )

    def answer(self, *values: Any) -> Markup:
        """The answer, or in its place what is wrong with the plan."""
        try:
            return answer(self.case(values))
        except ExplorerError as error:
            return mistake(str(error))

    def view(self, shown: str, pinned: str, rows: str, kinds: list[str], *values: Any) -> Any:
        """The view that is shown, if it is one of words and tables."""
        try:
            if shown == "checked":
                return self._checked
            case = self.case(values)
            if shown == "matrix":
                return matrix.view(case, rows, kinds)
            if shown == "compare":
                return pins.view(case, pinned)
            return PLAIN_VIEWS[shown](case) if shown in PLAIN_VIEWS else NOTHING
        except ExplorerError as error:  # the answer says the same where the plan is at fault
            return mistake(str(error)) if shown == "compare" else NOTHING

    @cached_property
    def _checked(self) -> Markup:
        return checked.view(self.catalogue)

    def curve(self, against: str, measure: str, *values: Any) -> Chart:
        """The sensitivity chart; the last value is the theme."""
        *plan, theme = values
        shown: Theme = "dark" if theme == "dark" else "light"
        try:
            return sensitivity.chart(self.case(plan), against, measure, shown)
        except ExplorerError as error:
            return Chart(silent(shown, "<br>".join(map(escape, wrap(str(error), 52)))))

    def file(self, shown: str, kind: str, pinned: str, *values: Any) -> Any:
        """The plan as a file, to be read on the page."""
        if shown != "export":
            return gr.skip()
        try:
            text = files.text(self.case(values), kind, pinned)
        except ExplorerError as error:
            return gr.Code(str(error), language=None)
        return gr.Code(text, language=files.LANGUAGES.get(kind))

    @told
    def save(self, kind: str, pinned: str, *values: Any) -> tuple[str, str]:
        """The plan as a file with its name, to be saved."""
        case = self.case(values)
        return files.text(case, kind, pinned), files.name(case, kind)

    @told
    def pin(self, pinned: str, *values: Any) -> str:
        """The pinned plans with this one at the end."""
        plan = self.case(values).values
        line = self.lines.write(plan) or f"model={plan['model']}"  # a line must not be empty
        lines = self.lines.pins(pinned)
        if line in lines:
            raise ExplorerError("This plan is pinned already; change something in the form first.")
        if len(lines) == MOST_PINS:
            raise ExplorerError(f"{MOST_PINS} plans are pinned already; remove one of them first.")
        return "\n".join([*lines, line])

    def unpin(self, pinned: str, event: gr.EventData) -> str:
        """The pinned plans without the one whose button was pressed."""
        lines = pinned.splitlines()
        return "\n".join(line for at, line in enumerate(lines) if at != int(event.pin))

    @told
    def taken(self, event: gr.EventData) -> list[Any]:
        """The form's values of a link that was followed."""
        return list(self.lines.read(str(event.plan)).values())

    def for_the_lab(self, *values: Any) -> tuple[Any, Any, Any]:
        """Method and knobs as the Lab takes them, and whether it can train this method."""
        try:
            case = self.case(values)
        except ExplorerError:  # the answer says what is wrong
            return gr.skip(), gr.skip(), gr.Button(interactive=False)
        method, knobs = case.budget.resolved.method, case.budget.resolved.knobs
        usual = method.read_knobs()
        own = {f"{method.id}.{k}": v for k, v in knobs.items() if v != usual[k]}
        return [method.id], settings.write(own), gr.Button(interactive=not method.unsupported)
