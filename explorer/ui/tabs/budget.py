"""Budget: what a model has, and what a method would train of it."""

from typing import Any

import gradio as gr
from gradio.components import Component
from markupsafe import Markup

from explorer.budget.params import count_parameters
from explorer.budget.trainable import count_trainable
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.knob import LINEARS
from explorer.ui.errors import told
from explorer.ui.markup import element
from explorer.ui.tab import Page, Tab


def build(page: Page) -> dict[str, Component]:
    """Lay out the tab; returns what the address bar keeps."""
    catalogue = page.catalogue
    handlers = Handlers(catalogue)
    shaped = [m for m in catalogue.models.values() if m.architecture is not None]
    with gr.Row(elem_classes="pick"):
        inputs: dict[str, Component] = {
            "model": gr.Dropdown(
                [(m.name.value, m.id) for m in shaped], value="llama-3.1-8b", label="Model"
            ),
            "method": gr.Dropdown(
                [(m.name, m.id) for m in catalogue.methods.values()], value="lora", label="Method"
            ),
            "r": gr.Number(0, minimum=0, maximum=4096, precision=0, label="Rank r (0: default)"),
            "targets": gr.Dropdown(
                list(LINEARS), multiselect=True, value=[], label="Target modules (none: default)"
            ),
        }
    lab = gr.Button("Try this method in the lab")
    result = gr.HTML(elem_id="budget-result")
    parts = list(inputs.values())
    gr.on(
        [page.visited.change, *(part.change for part in parts)],
        handlers.show, parts, result, api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    gr.api(handlers.count, api_name="count")
    methods = gr.Dropdown([], multiselect=True, visible=False)
    inputs["method"].change(
        lambda method: [method], inputs["method"], methods, api_visibility="private"
    )
    page.hand_over(lab, "lab", {"methods": methods})
    return inputs


class Handlers:
    """What the tab answers with."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @told
    def count(
        self, model: str, method: str, r: int = 0, targets: list[str] | None = None
    ) -> dict[str, Any]:
        """Parameters of a model, and how many of them a method trains.

        Args:
            model: id of a model, such as llama-3.1-8b.
            method: id of a method, such as lora.
            r: rank; 0 takes the method's default.
            targets: linears that the method acts on; none takes the method's default.

        Returns:
            total, active, trainable, percent.
        """
        arch = self.catalogue.model(model).architecture
        if arch is None:
            raise ExplorerError(f"The shape of {model} was never published.")
        chosen = self.catalogue.method(method)
        knobs: dict[str, Any] = {}
        if r and "r" in chosen.knobs:
            knobs["r"] = r
        if targets and "target_modules" in chosen.knobs:
            knobs["target_modules"] = tuple(targets)
        counted, trained = count_parameters(arch), count_trainable(arch, chosen, knobs)
        return {
            "total": counted.total,
            "active": counted.active,
            "trainable": trained.total,
            "percent": trained.percent,
        }

    def show(self, model: str, method: str, r: int, targets: list[str]) -> Markup:
        """The count as figures."""
        counted = self.count(model, method, r, targets)
        figures = (
            ("parameters", f"{counted['total']:,}"),
            ("active per token", f"{counted['active']:,}"),
            ("trained", f"{counted['trainable']:,}"),
            ("share", f"{counted['percent']:.4f} %"),
        )
        cells = (
            element(
                "div",
                element("span", value, class_="figure-value"),
                element("span", label, class_="figure-label"),
                class_="figure",
            )
            for label, value in figures
        )
        return element("div", *cells, class_="figures card")


TAB = Tab("budget", "Budget", 30, build)
