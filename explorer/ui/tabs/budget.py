"""Budget: what a plan needs in memory, time and money, whether it fits, and what to change."""

from dataclasses import dataclass

import gradio as gr
from gradio.components import Component

from explorer.ui import views
from explorer.ui.budget import files, matrix, sensitivity
from explorer.ui.budget.endpoints import PUBLIC, Endpoints
from explorer.ui.budget.form import Form, lay_out, show_what_applies
from explorer.ui.budget.handlers import Handlers
from explorer.ui.budget.links import ON_PLAN_LINKS, PlanLines
from explorer.ui.chart_view import chart_view
from explorer.ui.saving import save_buttons
from explorer.ui.tab import Page, Tab

VIEWS = {
    "memory": "Memory",
    "parameters": "Parameters",
    "speed": "Speed and cost",
    "limits": "How far it goes",
    "matrix": "Matrix",
    "sensitivity": "Sensitivity",
    "cache": "KV cache",
    "compare": "Compare",
    "checked": "Measured",
    "export": "Export",
}
QUIET = {"api_visibility": "private", "show_progress": "hidden"}
# What follows a slider goes straight to its handler, and of many moves only the last counts.
AT_ONCE = QUIET | {"queue": False, "trigger_mode": "always_last"}
COPY_LINK = "() => navigator.clipboard.writeText(window.location.href)"


@dataclass(frozen=True)
class Parts:
    """The tab's parts beside its form."""

    answer: gr.HTML
    pin: gr.Button
    lab: gr.Button
    view: gr.Radio
    html: gr.HTML  # the view, where it is one of words and tables
    pinned: gr.Textbox
    options: dict[str, Component]  # of the matrix, by URL name


def build(page: Page) -> dict[str, Component]:
    """Lay out the tab; returns what the address bar keeps."""
    with gr.Row(elem_classes="budget"):
        with gr.Column(elem_classes="budget-form", min_width=280):
            form = lay_out(page.catalogue)
        handlers = Handlers(page.catalogue, PlanLines(form.inputs))
        with gr.Column(elem_classes="budget-head", min_width=280):
            answer = gr.HTML(js_on_load=ON_PLAN_LINKS, label="Answer", elem_id="budget-answer")
            with gr.Row(elem_classes="actions"):
                copy = gr.Button("Copy link", size="sm")
                pin = gr.Button("Pin to compare", size="sm")
                lab = gr.Button("Start in the lab", size="sm", variant="primary")
        with gr.Column(elem_classes="budget-views", min_width=280):
            view = views.chooser(VIEWS)
            pinned = gr.Textbox("", visible="hidden", label="Pinned plans")
            kept = _views(page, handlers, form, view, pinned)
            html = gr.HTML(js_on_load=ON_PLAN_LINKS, label="View", elem_id="budget-view")
    copy.click(None, None, None, js=COPY_LINK, api_visibility="private")
    parts = Parts(answer, pin, lab, view, html, pinned, kept)
    _draw(page, handlers, form, parts)
    _act(page, handlers, form, parts)
    endpoints = Endpoints(page.catalogue)
    for name in PUBLIC:
        gr.api(getattr(endpoints, name), api_name=name)
    return {**form.inputs, "view": view, "pins": pinned, **kept}


def _views(
    page: Page, handlers: Handlers, form: Form, view: gr.Radio, pinned: gr.Textbox
) -> dict[str, Component]:
    """What views have besides words and tables; returns their inputs by URL name."""
    groups = {name: gr.Column(visible=False, elem_classes="view") for name in
              ("matrix", "sensitivity", "export")}  # fmt: skip
    with groups["matrix"]:
        kept = _matrix_options()
    with groups["sensitivity"]:
        kept |= _sensitivity(page, handlers, form, view)
    with groups["export"]:
        kept |= _export(page, handlers, form, view, pinned)
    views.show_chosen(view, groups)
    return kept


def _matrix_options() -> dict[str, Component]:
    kinds = [(title, kind) for kind, title in matrix.KINDS.items()]
    return {
        "rows": views.chooser(matrix.ROWS, "Rows"),
        "kinds": gr.CheckboxGroup(kinds, value=matrix.FIRST_KINDS, label="Devices"),
    }


def _sensitivity(
    page: Page, handlers: Handlers, form: Form, view: gr.Radio
) -> dict[str, Component]:
    with gr.Row(elem_classes="pick"):
        against = views.chooser(sensitivity.AGAINST, "Against")
        measure = views.chooser(sensitivity.MEASURES, "What")
    inputs = [against, measure, *form.inputs.values()]
    chart_view(page, "sensitivity", handlers.curve, inputs, view)
    return {"against": against, "measure": measure}


def _export(
    page: Page, handlers: Handlers, form: Form, view: gr.Radio, pinned: gr.Textbox
) -> dict[str, Component]:
    kind = views.chooser(files.FORMATS, "Format")
    plan = list(form.inputs.values())
    titles = {name: f"Save as {title}" for name, title in files.FORMATS.items()}
    save_buttons(titles, handlers.save, [pinned, *plan])
    shown = gr.Code("", interactive=False, label="File", show_label=False, max_lines=40)
    gr.on(
        [page.visited.change, *(part.change for part in (view, kind, pinned, *plan))],
        handlers.file, [view, kind, pinned, *plan], shown, **AT_ONCE,
    )  # fmt: skip
    return {"format": kind}


def _draw(page: Page, handlers: Handlers, form: Form, parts: Parts) -> None:
    """Draw answer and view whenever the plan changes, and show of the form what applies."""
    inputs = form.inputs
    plan = list(inputs.values())
    changes = [page.visited.change, *(part.change for part in plan)]
    gr.on(changes, handlers.answer, plan, parts.answer, **AT_ONCE)
    of_view = [parts.view, parts.pinned, parts.options["rows"], parts.options["kinds"]]
    gr.on(
        [*changes, *(part.change for part in of_view)],
        handlers.view, [*of_view, *plan], parts.html, **AT_ONCE,
    )  # fmt: skip
    chosen = [inputs["method"], inputs["mode"], inputs["quantization"]]
    gr.on(
        [page.visited.change, *(part.change for part in chosen)],
        None, chosen, form.coming_and_going(),
        js=show_what_applies(page.catalogue), api_visibility="private",
    )  # fmt: skip


def _act(page: Page, handlers: Handlers, form: Form, parts: Parts) -> None:
    """Follow links to other plans, pin this one, hand it over to the lab."""
    inputs, pinned = form.inputs, parts.pinned
    plan = list(inputs.values())
    for html in (parts.answer, parts.html):
        html.taken(handlers.taken, None, plan, **QUIET)
    parts.html.unpinned(handlers.unpin, pinned, pinned, **QUIET)
    kept = parts.pin.click(handlers.pin, [pinned, *plan], pinned, api_visibility="private")
    kept.success(lambda: "compare", None, parts.view, **QUIET)
    methods = gr.Dropdown(
        inputs["method"].choices, value=["lora"], multiselect=True, visible=False, label="Methods"
    )
    knobs = gr.Textbox("", visible=False, label="Knobs")
    told = [inputs[name].change for name in ("method", "r", "targets", "knobs")]
    gr.on(
        [page.visited.change, *told],
        handlers.for_the_lab, plan, [methods, knobs, parts.lab], **QUIET,
    )  # fmt: skip
    page.hand_over(parts.lab, "lab", {"methods": methods, "knobs": knobs})


TAB = Tab("budget", "Budget", 30, build)
