"""Lab: a race of methods on one task, live, on this machine."""

from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import UnknownNameError
from explorer.lab.bases import availability, checkpoints
from explorer.lab.datasets import find_task
from explorer.lab.eta import waits
from explorer.lab.runs import Run, find_run, list_runs
from explorer.lab.stored import DamagedFileError
from explorer.ui import race, views
from explorer.ui.endpoint import endpoint
from explorer.ui.errors import told, warn
from explorer.ui.lab import history, own_data
from explorer.ui.lab.charts import INSIDE, draw
from explorer.ui.lab.form import RACE_INPUTS, SWEEP_INPUTS, race_form
from explorer.ui.lab.memory import memory_table
from explorer.ui.lab.quantization import quantization_panel
from explorer.ui.lab.rates import rates_card
from explorer.ui.lab.shown import results
from explorer.ui.lab.task import task_card
from explorer.ui.lab_actions import LabActions
from explorer.ui.markup import element, joined
from explorer.ui.tab import Page, Tab

INTRO = (
    "Pick a task and some methods, and watch them learn it on this machine. All runs of a race see "
    "the same rows in the same order and are asked the same held-out questions; the base is asked "
    "them first."
)
ENDPOINTS = (
    "start_race", "start_sweep", "run_state", "run_inside", "race_table", "queue", "list_runs",
    "stop_runs", "delete_runs", "quantization_bench",
)  # fmt: skip
TOLD = ("about", "missing", "rates")  # what the form says, not what it is given


def build(page: Page) -> dict[str, Component]:
    """Lay out the tab; returns what the address bar keeps."""
    handlers = Handlers(page.catalogue, LabActions(page.catalogue, page.engine))
    gr.Markdown(INTRO, elem_classes="intro")
    with gr.Row(elem_classes="lab"):
        with gr.Column(scale=2, min_width=320):
            form = race_form(page)
            start = gr.Button("Start the race", variant="primary")
            sweep = gr.Button("Start the sweep", visible=False)
        with gr.Column(scale=5, min_width=320):
            shown = results()
    own_data.build(page, form["task"], form["base"])
    past = history.build(page, shown["runs"])
    quantized = quantization_panel(page, handlers.actions)
    _wire(page, handlers, form, (start, sweep), shown)
    for action in ENDPOINTS:
        endpoint(getattr(handlers.actions, action), api_name=action)
    kept = {name: part for name, part in form.items() if name not in TOLD}
    return {
        **kept,
        **quantized,
        **past,
        **{n: shown[n] for n in ("runs", "chart", "cost", "inside")},
    }


def _wire(
    page: Page,
    handlers: "Handlers",
    form: dict[str, Component],
    buttons: tuple[gr.Button, gr.Button],
    shown: dict[str, Component],
) -> None:
    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    start, sweep = buttons
    runs, timer = shown["runs"], shown["timer"]
    outputs = [shown[name] for name in SHOWN]
    looked_at = [runs, shown["chart"], shown["cost"], shown["inside"], page.theme]
    page.visited.change(handlers.visit, runs, runs, **quiet)
    gr.on(
        [part.change for part in (*looked_at, page.visited)],
        views.when_visited(handlers.show, len(outputs)), [page.visited, *looked_at], outputs,
        **quiet,
    )  # fmt: skip
    timer.tick(handlers.tick, [*looked_at, shown["seen"]], outputs, **quiet)
    gr.on(
        [runs.change, shown["chart"].change], handlers.choices,
        [runs, shown["chart"], shown["inside"]], [shown["cost"], shown["inside"]], **quiet,
    )  # fmt: skip
    gr.on(
        [form["task"].change, page.visited.change], handlers.about, form["task"], form["about"],
        **quiet,
    )  # fmt: skip
    gr.on(
        [form["methods"].change, page.visited.change], handlers.rates, form["methods"],
        form["rates"], **quiet,
    )  # fmt: skip
    gr.on(
        [form["base"].change, page.visited.change], handlers.missing, form["base"],
        form["missing"], **quiet,
    )  # fmt: skip
    form["sweep"].change(lambda text: gr.Button(visible=bool(text.strip())), form["sweep"], sweep,
                         **quiet)  # fmt: skip
    given = [form[name] for name in RACE_INPUTS]
    start.click(handlers.start, given, runs, api_visibility="private")
    swept = [form[name] for name in SWEEP_INPUTS]
    sweep.click(handlers.sweep, swept, [runs, shown["chart"]], api_visibility="private")
    shown["stop"].click(handlers.actions.stop_runs, runs, None, api_name="stop", **quiet)
    shown["delete"].click(handlers.delete, runs, runs, api_visibility="private")
    page.hand_over(shown["compare"], "compare", {"runs": runs})


SHOWN = ("headline", "table", "plot", "examples", "memory", "seen", "timer")


class Handlers:
    """What the tab answers with."""

    def __init__(self, catalogue: Catalogue, actions: LabActions) -> None:
        self.catalogue = catalogue
        self.actions = actions

    def visit(self, chosen: list[str]) -> Any:
        """The history, and of it what a link asked for or else what is going on right now."""
        every = list(list_runs())
        known = [run for run in chosen or [] if any(run == other.id for other in every)]
        for lost in set(chosen or []) - set(known):
            warn(f"There is no run {lost!r:.60}: it may have been deleted.")
        if not known:
            known = [run.id for run in reversed(every) if not run.state().over]
        return gr.Dropdown(choices=self._history(every), value=known)

    def _history(self, every: Sequence[Run]) -> list[tuple[str, str]]:
        return [
            (f"{self._words(run)} · {race.ago(run.created.timestamp())}", run.id) for run in every
        ]

    def _words(self, run: Run) -> str:
        job = run.job
        method = self.catalogue.methods.get(job.method)
        task = self.catalogue.tasks.get(job.task)
        named = job.label or (method.name if method else job.method)
        return f"{named} · {task.name if task else job.task} · {run.state().name}"

    def start(self, *given: Any) -> Any:
        """Start the race and show its runs."""
        started = self.actions.start_race(*given)
        return gr.Dropdown(choices=self._history(list(list_runs())), value=started)

    @told
    def sweep(self, task: str, methods: list[str], *given: Any) -> tuple[Any, str]:
        """Start the sweep of the first method and show its runs as a heat map."""
        method = methods[0] if methods else ""
        started = self.actions.start_sweep(task, method, *given)
        return gr.Dropdown(choices=self._history(list(list_runs())), value=started), "heat"

    def choices(self, chosen: list[str], chart: str, looked_into: str | None) -> tuple[Any, Any]:
        """The choices that only some charts have."""
        found = [entry.run for entry in self._read(chosen)]
        runs = [(self._words(run), run.id) for run in found]
        value = looked_into if looked_into in [run.id for run in found] else None
        into = value or (found[0].id if found else None)
        return gr.Dropdown(visible=chart == "pareto"), gr.Dropdown(
            choices=runs, value=into, visible=chart in INSIDE
        )

    def delete(self, chosen: list[str]) -> Any:
        """Delete the runs that are shown."""
        self.actions.delete_runs(chosen)
        return gr.Dropdown(choices=self._history(list(list_runs())), value=[])

    def show(
        self, chosen: list[str], chart: str, cost: str, looked_into: str | None, theme: str
    ) -> list[Any]:
        """Everything about the chosen runs, as it stands on disk."""
        entries = self._read(chosen)
        going = any(not entry.state.over for entry in entries)
        return [
            element("p", race.headline(entries, waits() if going else ()), class_="race-headline"),
            race.table(self.catalogue, entries),
            draw(self.catalogue, entries, chart, cost, looked_into, theme),
            race.examples(self.catalogue, entries),
            memory_table(self.catalogue, entries),
            race.version(entries),
            gr.Timer(active=going),
        ]

    def tick(self, chosen: list[str], *given: Any) -> Any:
        """The same, once there is something new."""
        *looked_at, seen = given
        if race.version(self._read(chosen)) == seen:
            return gr.skip()
        return self.show(chosen, *looked_at)

    def _read(self, chosen: list[str]) -> list[race.Entry]:
        entries = []
        for name in chosen or []:
            try:
                entries.append(race.Entry.read(find_run(name)))
            except (UnknownNameError, DamagedFileError):
                continue  # deleted since, or damaged: the history tells, or `visit`
        return entries

    @told
    def about(self, task: str) -> str:
        """The task in a few words, with one of its rows and what was reached on it."""
        found = find_task(task)
        return task_card(self.catalogue, found)

    @told
    def rates(self, methods: list[str]) -> str:
        """The chosen methods' learning rates, and how they were found."""
        return rates_card(self.catalogue, methods)

    @told
    def missing(self, base: str) -> str:
        """What a base is, and where it is not here, how to get it."""
        found = checkpoints()[base]
        lacking = availability(base)
        warning = element("p", lacking, class_="badge warn wrap") if lacking else None
        return joined([element("p", found.about, class_="faint"), warning])


TAB = Tab("lab", "Lab", 50, build)
