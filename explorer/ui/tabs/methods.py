"""Methods: how each way of fine-tuning works, where it attaches, what it trains, what is known."""

import gradio as gr
from gradio.components import Component

from explorer.ui import views
from explorer.ui.methods import browse, matrix, one, shapes, survey
from explorer.ui.tab import Page, Tab

VIEWS = {
    "browse": "All methods",
    "method": "One method",
    "abilities": "What they can do",
    "survey": "The survey's five",
}
INTRO = (
    "Every tuner type of peft 0.21, the survey's LLaMA-Adapter V1, V2 and LLaMA-Excitor as peft "
    "tuners of this project, and full fine-tuning as the reference."
)


def build(page: Page) -> dict[str, Component]:
    """Lay out the tab; returns what the address bar keeps."""
    gr.Markdown(INTRO, elem_classes="intro")
    with gr.Row(elem_classes="pick spread"):
        view = views.chooser(VIEWS)
        model = gr.Dropdown(
            shapes.choices(page.catalogue),
            value="llama-3.1-8b",
            label="Counted on",
            min_width=220,
            scale=0,
        )
    seen = views.seen(page, view, VIEWS)
    columns = {name: gr.Column(visible=name == "browse", elem_classes="view") for name in VIEWS}
    with columns["browse"]:
        filters, cards = browse.build(page, model, view, seen["browse"])
    with columns["method"]:
        inputs = one.build(page, model, view, seen["method"])
    with columns["abilities"]:
        table = matrix.build(page, seen["abilities"])
    with columns["survey"]:
        survey.build(page, model, view, seen["survey"])
    views.show_chosen(view, columns)
    opened = browse.Handlers(page.catalogue).opened
    for shown in (cards, table):
        shown.opened(
            opened, None, [inputs["method"], view], api_visibility="private", show_progress="hidden"
        )
    return {"view": view, "model": model, **inputs, **filters}


TAB = Tab("methods", "Methods", 20, build)
