"""Lab: a race of methods on one task, live, on this machine."""

from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import UnknownNameError
from explorer.figures.training import LABELS, training_curves
from explorer.lab.bases import availability, checkpoints
from explorer.lab.runs import Run, find_run, list_runs
from explorer.ui import race
from explorer.ui.errors import told
from explorer.ui.lab_actions import LabActions
from explorer.ui.markup import element, joined, paragraphs
from explorer.ui.tab import Page, Tab

SECONDS = 1.0  # between two looks at the run folders
FIRST_METHODS = ["lora", "qlora"]
INTRO = (
    "Pick a task and some methods, and watch them learn it on this machine. All runs of a race see "
    "the same rows in the same order and are asked the same held-out questions; the base is asked "
    "them first."
)


def build(page: Page) -> dict[str, Component]:
    """Lay out the tab; returns what the address bar keeps."""
    handlers = Handlers(page.catalogue, LabActions(page.catalogue, page.engine))
    gr.Markdown(INTRO, elem_classes="intro")
    with gr.Row(elem_classes="lab"):
        with gr.Column(scale=2, min_width=320):
            form = _form(page)
            start = gr.Button("Start the race", variant="primary")
        with gr.Column(scale=5, min_width=320):
            shown = _shown(page)
    _wire(page, handlers, form, start, shown)
    for action in ("start_race", "run_state", "list_runs", "stop_runs", "delete_runs"):
        gr.api(getattr(handlers.actions, action), api_name=action)
    kept = {name: part for name, part in form.items() if name not in ("about", "missing")}
    return {**kept, "runs": shown["runs"], "chart": shown["chart"]}


def _form(page: Page) -> dict[str, Component]:
    catalogue = page.catalogue
    tasks = [(task.name, task.id) for task in catalogue.tasks.values()]
    runnable = [m for m in catalogue.methods.values() if m.unsupported is None]
    order = sorted(runnable, key=lambda m: (not m.survey, m.family != "reference", m.name))
    form: dict[str, Component] = {
        "task": gr.Dropdown(tasks, value=tasks[0][1], label="Task"),
        "about": gr.HTML(),
        "methods": gr.Dropdown(
            [(method.name, method.id) for method in order],
            value=FIRST_METHODS, multiselect=True, label="Methods in the race",
        ),
        "steps": gr.Slider(
            0, 500, value=0, step=1, label="Steps", info="0 takes the task's own number"
        ),
    }  # fmt: skip
    with gr.Accordion("More settings", open=False):
        bases = [(base.name, base.id) for base in checkpoints().values()]
        form |= {
            "base": gr.Dropdown(bases, value=bases[0][1], label="Base model"),
            "missing": gr.HTML(),
            "batch": gr.Slider(
                0, 64, value=0, step=1, label="Rows a step", info="0 takes the task's own"
            ),
            "rate": gr.Number(
                0, minimum=0, maximum=1, label="Learning rate",
                info="0 takes the one known to work for each method",
            ),
            "seed": gr.Number(0, minimum=0, maximum=2**31 - 1, precision=0, label="Seed"),
            "knobs": gr.Textbox(
                "", label="Knobs", placeholder="lora.r=16; lora.target_modules=q_proj,v_proj",
                info="method.knob=value, parted by semicolons",
            ),
        }  # fmt: skip
    return form


def _shown(page: Page) -> dict[str, Component]:
    shown: dict[str, Component] = {"headline": gr.HTML(elem_id="race-headline")}
    with gr.Row(elem_classes="pick"):
        shown["chart"] = gr.Dropdown(
            [(title, quantity) for quantity, (title, _) in LABELS.items()],
            value="loss", label="Chart", scale=2,
        )  # fmt: skip
        shown["stop"] = gr.Button("Stop", variant="stop", scale=1)
        shown["compare"] = gr.Button("Compare the answers", scale=1)
    shown |= {
        "plot": gr.Plot(show_label=False, elem_id="race-plot"),
        "table": gr.HTML(elem_id="race-table"),
        "examples": gr.HTML(elem_id="race-examples"),
    }
    with gr.Accordion("Runs so far", open=False):
        shown["runs"] = gr.Dropdown(
            [], multiselect=True, label="Runs shown above", elem_id="race-runs",
            allow_custom_value=True,  # a link names runs before these are listed
        )  # fmt: skip
        shown["delete"] = gr.Button("Delete the runs shown", size="sm")
    shown["seen"] = gr.Textbox(visible="hidden")
    shown["timer"] = gr.Timer(SECONDS, active=False)
    return shown


def _wire(
    page: Page,
    handlers: "Handlers",
    form: dict[str, Component],
    start: gr.Button,
    shown: dict[str, Component],
) -> None:
    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    runs, timer = shown["runs"], shown["timer"]
    outputs = [shown[name] for name in ("headline", "table", "plot", "examples", "seen", "timer")]
    looked_at = [runs, shown["chart"], page.theme]
    page.visited.change(handlers.visit, runs, runs, **quiet)
    gr.on(
        [runs.change, shown["chart"].change, page.theme.change, page.visited.change],
        handlers.show, looked_at, outputs, **quiet,
    )  # fmt: skip
    timer.tick(handlers.tick, [*looked_at, shown["seen"]], outputs, **quiet)
    gr.on(
        [form["task"].change, page.visited.change], handlers.about, form["task"], form["about"],
        **quiet,
    )  # fmt: skip
    gr.on(
        [form["base"].change, page.visited.change], handlers.missing, form["base"],
        form["missing"], **quiet,
    )  # fmt: skip
    names = ("task", "methods", "base", "steps", "batch", "rate", "seed", "knobs")
    start.click(handlers.start, [form[name] for name in names], runs, api_visibility="private")
    shown["stop"].click(handlers.actions.stop_runs, runs, None, **quiet)
    shown["delete"].click(handlers.delete, runs, runs, api_visibility="private")
    page.hand_over(shown["compare"], "compare", {"runs": runs})


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
            gr.Warning(f"There is no run {lost!r:.60}: it may have been deleted.")
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

    def start(self, task: str, methods: list[str], base: str, *settings: Any) -> Any:
        """Start the race and show its runs."""
        started = self.actions.start_race(task, methods, base, *settings)
        return gr.Dropdown(choices=self._history(list(list_runs())), value=started)

    def delete(self, chosen: list[str]) -> Any:
        """Delete the runs that are shown."""
        self.actions.delete_runs(chosen)
        return gr.Dropdown(choices=self._history(list(list_runs())), value=[])

    def show(self, chosen: list[str], chart: str, theme: str) -> list[Any]:
        """Everything about the chosen runs, as it stands on disk."""
        entries = self._read(chosen)
        going = any(not entry.state.over for entry in entries)
        return [
            element("p", race.headline(entries), class_="race-headline"),
            race.table(self.catalogue, entries),
            training_curves(race.curves(self.catalogue, entries), chart, theme),
            race.examples(self.catalogue, entries),
            race.version(entries),
            gr.Timer(active=going),
        ]

    def tick(self, chosen: list[str], chart: str, theme: str, seen: str) -> Any:
        """The same, once there is something new."""
        if race.version(self._read(chosen)) == seen:
            return gr.skip()
        return self.show(chosen, chart, theme)

    def _read(self, chosen: list[str]) -> list[race.Entry]:
        entries = []
        for name in chosen or []:
            try:
                entries.append(race.Entry.read(find_run(name)))
            except UnknownNameError:  # deleted since: `visit` has said so, or will
                continue
        return entries

    @told
    def about(self, task: str) -> str:
        """The task in a few words, with one of its rows."""
        found = self.catalogue.task(task)
        return element("div", paragraphs(found.summary), class_="card faint")

    @told
    def missing(self, base: str) -> str:
        """What a base is, and where it is not here, how to get it."""
        found = checkpoints()[base]
        lacking = availability(base)
        warning = element("p", lacking, class_="badge warn wrap") if lacking else None
        return joined([element("p", found.about, class_="faint"), warning])


TAB = Tab("lab", "Lab", 50, build)
