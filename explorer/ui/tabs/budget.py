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
from explorer.ui.budget.verify import Verification
from explorer.ui.chart_view import exporter
from explorer.ui.endpoint import endpoint
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
    html: gr.HTML  # the view, where it is one of words and tables
    chart: tuple[gr.Plot, gr.Dataframe]
    code: gr.Code
    buttons: dict[str, gr.Button]
    wishes: dict[str, Component]  # what is to be shown: the fields of Wish but the theme


def build(page: Page) -> dict[str, Component]:
    """Lay out the tab; returns what the address bar keeps."""
    with gr.Row(elem_classes="budget"):
        with gr.Column(elem_classes="budget-form", min_width=280):
            form = lay_out(page.catalogue)
        handlers = Handlers(page.catalogue, PlanLines(form.inputs))
        with gr.Column(elem_classes="budget-head", min_width=280):
            answer = gr.HTML(js_on_load=ON_PLAN_LINKS, label="Answer", elem_id="budget-answer")
            buttons = _buttons()
        with gr.Column(elem_classes="budget-views", min_width=280):
            parts = _views(page, handlers, form, answer, buttons)
    _draw(page, handlers, form, parts)
    _act(handlers, form, parts)
    endpoints = Endpoints(page.catalogue)
    for name in PUBLIC:
        endpoint(getattr(endpoints, name), api_name=name)
    wishes = parts.wishes
    return {**form.inputs, "view": wishes.pop("view"), "pins": wishes.pop("pinned"), **wishes}


def _buttons() -> dict[str, gr.Button]:
    with gr.Row(elem_classes="actions"):
        return {
            "copy": gr.Button("Copy link", size="sm"),
            "pin": gr.Button("Pin to compare", size="sm"),
            "lab": gr.Button("Start in the lab", size="sm", variant="primary"),
        }


def _views(
    page: Page, handlers: Handlers, form: Form, answer: gr.HTML, buttons: dict[str, gr.Button]
) -> Parts:
    """The chooser of views and what each has besides words and tables."""
    view = views.chooser(VIEWS)
    pinned = gr.Textbox("", visible="hidden", label="Pinned plans", elem_classes="unseen-field")
    wishes: dict[str, Component] = {"view": view, "pinned": pinned}
    named = ("parameters", "matrix", "sensitivity", "export")
    groups = {name: gr.Column(visible=False, elem_classes="view") for name in named}
    plan = list(form.inputs.values())
    with groups["parameters"]:
        _verification(page, handlers, plan)
    with groups["matrix"]:
        kinds = [(title, kind) for kind, title in matrix.KINDS.items()]
        wishes["rows"] = views.chooser(matrix.ROWS, "Rows")
        wishes["kinds"] = gr.CheckboxGroup(kinds, value=matrix.FIRST_KINDS, label="Devices")
    with groups["sensitivity"]:
        with gr.Row(elem_classes="pick"):
            wishes["against"] = views.chooser(sensitivity.AGAINST, "Against")
            wishes["measure"] = views.chooser(sensitivity.MEASURES, "What")
        chart = _chart(handlers, [wishes["against"], wishes["measure"], *plan])
    with groups["export"]:
        wishes["format"] = views.chooser(files.FORMATS, "Format")
        titles = {name: f"Save as {title}" for name, title in files.FORMATS.items()}
        save_buttons(titles, handlers.save, [pinned, *plan])
        code = gr.Code("", interactive=False, label="File", show_label=False, max_lines=40)
    views.show_chosen(view, groups)
    html = gr.HTML(js_on_load=ON_PLAN_LINKS, label="View", elem_id="budget-view")
    return Parts(answer, html, chart, code, buttons, wishes)


def _chart(handlers: Handlers, inputs: list[Component]) -> tuple[gr.Plot, gr.Dataframe]:
    plot = gr.Plot(show_label=False, elem_classes="chart", elem_id="chart-sensitivity")
    with gr.Accordion("The figures in this chart", open=False):
        rows = gr.Dataframe(
            interactive=False, type="array", max_height=420, elem_classes="data", label="Figures",
            show_label=False, wrap=True,
        )  # fmt: skip
        titles = {"csv": "Save as CSV", "json": "Save as JSON"}
        save_buttons(titles, exporter("sensitivity", handlers.rows), inputs)
    return plot, rows


def _verification(page: Page, handlers: Handlers, plan: list[Component]) -> None:
    verification = Verification(page.engine, handlers)
    verify = gr.Button("Verify with transformers and peft", size="sm", elem_classes="verify")
    counted = gr.HTML(label="Verification", elem_id="budget-verified")
    verify.click(verification.show, plan, counted, **QUIET)
    endpoint(verification.verify)


def _draw(page: Page, handlers: Handlers, form: Form, parts: Parts) -> None:
    """Redraw in one go whenever the plan changes or something else is to be shown."""
    inputs, lab = form.inputs, parts.buttons["lab"]
    plan, wishes = list(inputs.values()), list(parts.wishes.values())
    methods = gr.Dropdown(
        inputs["method"].choices, value=["lora"], multiselect=True, visible=False, label="Methods"
    )
    knobs = gr.Textbox("", visible=False, label="Knobs")
    asked = [*wishes, page.theme, *plan]
    drawn = [parts.answer, parts.html, *parts.chart, parts.code, methods, knobs, lab]
    gr.on(
        [page.visited.change, *(part.change for part in asked)],
        views.when_visited(handlers.redraw, len(drawn)), [page.visited, *asked], drawn,
        show_progress_on=parts.answer,  # one to tell of it, not eight
        **AT_ONCE,
    )  # fmt: skip
    chosen = [inputs["method"], inputs["mode"], inputs["quantization"]]
    gr.on(
        [page.visited.change, *(part.change for part in chosen)],
        None, chosen, form.coming_and_going(),
        js=show_what_applies(page.catalogue), api_visibility="private",
    )  # fmt: skip
    page.hand_over(lab, "lab", {"methods": methods, "knobs": knobs})


def _act(handlers: Handlers, form: Form, parts: Parts) -> None:
    """Follow links to other plans, pin this one, copy its link."""
    pinned, buttons = parts.wishes["pinned"], parts.buttons
    plan = list(form.inputs.values())
    for html in (parts.answer, parts.html):
        html.taken(handlers.taken, None, plan, **QUIET)
    parts.html.unpinned(handlers.unpin, pinned, pinned, **QUIET)
    kept = buttons["pin"].click(handlers.pin, [pinned, *plan], pinned, api_visibility="private")
    kept.success(lambda: "compare", None, parts.wishes["view"], **QUIET)
    buttons["copy"].click(None, None, None, js=COPY_LINK, api_visibility="private")


TAB = Tab("budget", "Budget", 30, build)
