"""What the Budget tab shows for the values of its form: answer, view, chart, file."""

from collections.abc import Sequence
from dataclasses import dataclass
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
from explorer.ui.chart_view import table_of
from explorer.ui.errors import told

NOTHING = Markup("")
PLAIN_VIEWS = {
    "memory": memory.view,
    "parameters": parameters.view,
    "speed": speed.view,
    "limits": limits.view,
    "cache": cache.view,
}


@dataclass(frozen=True)
class Wish:
    """What is to be shown beside the answer, in the order of the inputs that say so."""

    view: str
    pinned: str
    rows: str
    kinds: list[str]
    against: str
    measure: str
    format: str
    theme: str


WISHES = len(Wish.__dataclass_fields__)


class Handlers:
    """The tab's private handlers; each takes the form's values in the order of its inputs."""

    def __init__(self, catalogue: Catalogue, lines: PlanLines) -> None:
        self.catalogue = catalogue
        self.lines = lines

    def case(self, values: Sequence[Any]) -> Case:
        """The plan of the form with its budget. ExplorerError says what is wrong with it."""
        named = dict(zip(self.lines.inputs, values, strict=True))
        return Case.read(self.catalogue, self.lines, named)

    def redraw(self, *values: Any) -> list[Any]:
        """All that depends on the plan, in one go: a `Wish`, then the form's values.

        Gives the answer, the view, the chart with its rows, the file, and for the Lab method and
        knobs with the button that takes them there. What is not seen is left as it is.
        """
        wish, plan = Wish(*values[:WISHES]), values[WISHES:]
        try:
            case = self.case(plan)
        except ExplorerError as error:
            return self._wrong(wish, str(error))
        chart = (gr.skip(), gr.skip())
        if wish.view == "sensitivity":
            drawn = self._curve(case, wish)
            chart = drawn.figure, table_of(drawn.rows)
        return [
            answer(case),
            self._view(case, wish),
            *chart,
            _file(case, wish) if wish.view == "export" else gr.skip(),
            *_for_the_lab(case),
        ]

    def _wrong(self, wish: Wish, sentence: str) -> list[Any]:
        """The sentence in the answer's place, and no figures of an earlier plan beside it."""
        view = self._checked if wish.view == "checked" else NOTHING
        plot = _silent(wish, sentence).figure if wish.view == "sensitivity" else gr.skip()
        unable = gr.Button(interactive=False)
        return [mistake(sentence), view, plot, table_of(()), "", gr.skip(), gr.skip(), unable]

    def _view(self, case: Case, wish: Wish) -> Markup:
        """The view that is shown, if it is one of words and tables."""
        if wish.view == "checked":
            return self._checked
        if wish.view == "matrix":
            return matrix.view(case, wish.rows, wish.kinds)
        if wish.view == "compare":
            try:
                return pins.view(case, wish.pinned)
            except ExplorerError as error:  # more pins in a link than can be compared
                return mistake(str(error))
        return PLAIN_VIEWS[wish.view](case) if wish.view in PLAIN_VIEWS else NOTHING

    @cached_property
    def _checked(self) -> Markup:
        return checked.view(self.catalogue)

    def _curve(self, case: Case, wish: Wish) -> Chart:
        try:
            return sensitivity.chart(case, wish.against, wish.measure, _theme(wish))
        except ExplorerError as error:  # a method without a rank
            return _silent(wish, str(error))

    @told
    def save(self, kind: str, pinned: str, *values: Any) -> tuple[str, str]:
        """The plan as a file with its name, to be saved."""
        case = self.case(values)
        return files.text(case, kind, pinned), files.name(case, kind)

    def rows(self, against: str, measure: str, *values: Any) -> Chart:
        """The sensitivity chart, for its rows; the last value is the theme."""
        *plan, theme = values
        shown: Theme = "dark" if theme == "dark" else "light"
        return sensitivity.chart(self.case(plan), against, measure, shown)

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


def _theme(wish: Wish) -> Theme:
    return "dark" if wish.theme == "dark" else "light"


def _silent(wish: Wish, sentence: str) -> Chart:
    return Chart(silent(_theme(wish), "<br>".join(map(escape, wrap(sentence, 52)))))


def _file(case: Case, wish: Wish) -> Any:
    try:
        text = files.text(case, wish.format, wish.pinned)
    except ExplorerError as error:  # a program that plain transformers cannot run
        return gr.Code(str(error), language=None)
    return gr.Code(text, language=files.LANGUAGES.get(wish.format))


def _for_the_lab(case: Case) -> tuple[Any, Any, Any]:
    """Method and knobs as the Lab takes them, and whether it can train this method."""
    method, knobs = case.budget.resolved.method, case.budget.resolved.knobs
    usual = method.read_knobs()
    own = {f"{method.id}.{k}": v for k, v in knobs.items() if v != usual[k]}
    return [method.id], settings.write(own), gr.Button(interactive=not method.unsupported)
