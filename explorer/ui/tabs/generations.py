"""Generations: how LLaMA 1 became LLaMA 4, every model with its facts, drawings and differences."""

import gradio as gr
from gradio.components import Component

from explorer.ui import views
from explorer.ui.generations import compare, config, model, table
from explorer.ui.tab import Page, Tab

VIEWS = {
    "models": "Timeline and table",
    "model": "One model",
    "changes": "What changed",
    "config": "Your config",
}
INTRO = (
    "Every LLaMA that Meta released or announced. Each number has its source beside it: hover, "
    "focus or touch it. A row of the table opens the model's card."
)


def build(page: Page) -> dict[str, Component]:
    """Lay out the tab; returns what the address bar keeps."""
    gr.Markdown(INTRO, elem_classes="intro")
    view = views.chooser(VIEWS)
    seen = views.seen(page, view, VIEWS)
    columns = {name: gr.Column(visible=name == "models", elem_classes="view") for name in VIEWS}
    with columns["models"]:
        filters, rows = table.build(page, view, seen["models"])
    with columns["model"]:
        one = model.build(page, view, seen["model"])
    with columns["changes"]:
        several = compare.build(page, view, seen["changes"])
    with columns["config"]:
        config.build(page, view, seen["config"])
    views.show_chosen(view, columns)
    chosen = one.inputs["model"]
    rows.select(
        table.Handlers(page.catalogue).picked, None, [chosen, view],
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    one.compare.click(
        start_comparison, [chosen, several["models"]], [several["models"], view],
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    return {"view": view, **one.inputs, **several, **filters}


def start_comparison(model: str, models: list[str]) -> tuple[list[str], str]:
    """The models to compare, this one among them as the last, and the view that does it."""
    reference = next((other for other in models if other != model), None)
    return [reference, model] if reference else [model], "changes"


TAB = Tab("generations", "Generations", 10, build)
