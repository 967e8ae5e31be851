"""View: one model, its figures, its drawing and every field of its file."""

from dataclasses import dataclass

import gradio as gr
from gradio.components import Component

from explorer.budget.resolve import architecture_of
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.record import facts_of
from explorer.ui import diagram, drawings, models_table, views
from explorer.ui.cards.model import display_name, model_facts, model_head, no_shape
from explorer.ui.endpoint import endpoint
from explorer.ui.errors import told
from explorer.ui.tab import Page

NAME = "model"  # of this view
FIRST = "llama-3.1-8b"
TEXT_ALONE = '<p class="unknown">This model reads text alone: it has no vision tower.</p>'


@dataclass(frozen=True)
class View:
    """The inputs of the view by URL name, and the button that starts a comparison."""

    inputs: dict[str, Component]
    compare: gr.Button


def build(page: Page, view: gr.Radio, seen: gr.State) -> View:
    """Lay the view out."""
    handlers = Handlers(page.catalogue)
    names = [(display_name(m), m.id) for m in models_table.ordered(page.catalogue)]
    with gr.Row(elem_classes="pick"):
        model = gr.Dropdown(names, value=FIRST, label="Model", scale=4, min_width=280)
        compare = gr.Button("Compare with…", scale=1, min_width=150)
        budget = gr.Button("Budget a fine-tune", variant="primary", scale=1, min_width=180)
    head = gr.HTML()
    drawn = _diagram(page, handlers, model, view, seen)
    facts = gr.HTML()
    gr.on(
        [seen.change, model.change],
        views.when_shown(NAME, handlers.card, 2), [view, model], [head, facts],
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    page.hand_over(budget, "budget", {"model": model})
    endpoint(handlers.model)
    endpoint(handlers.diagram)
    return View({"model": model, **drawn}, compare)


def _diagram(
    page: Page, handlers: "Handlers", model: gr.Dropdown, view: gr.Radio, seen: gr.State
) -> dict[str, Component]:
    with gr.Row(elem_classes="pick"):
        level = views.chooser(drawings.LEVELS, "Level")
        layer = gr.Slider(1, 126, value=1, step=1, label="Layer", scale=1)
    inputs = [model, level, layer]
    parts = diagram.lay_out(handlers.export, [*inputs, page.theme])
    gr.on(
        [seen.change, *(part.change for part in inputs)],
        views.when_shown(NAME, handlers.drawing, 3), [view, *inputs],
        [parts.drawing, parts.details, layer], api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    parts.drawing.opened(
        handlers.opened, model, parts.details, api_visibility="private", show_progress="hidden"
    )
    parts.drawing.entered(
        diagram.enter, None, [level, layer], api_visibility="private", show_progress="hidden"
    )
    return {"level": level, "layer": layer}


class Handlers:
    """What the view answers with, over one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @told
    def card(self, model: str) -> tuple[str, str]:
        """A model's head and its facts, as HTML."""
        found = self.catalogue.model(model)
        return model_head(self.catalogue, found), model_facts(found)

    @told
    def model(self, model: str) -> dict:
        """Every known field of a model with its sources, notes and other claims.

        Args:
            model: id of a model, such as "llama-3.1-8b".
        """
        found = self.catalogue.model(model)
        facts = {name: fact.model_dump(mode="json") for name, fact in facts_of(found).items()}
        sources = {key: source.model_dump(mode="json") for key, source in found.sources.items()}
        return {"id": found.id, "generation": found.generation, "facts": facts, "sources": sources}

    @told
    def diagram(
        self, model: str, level: str = "model", layer: int = 1, theme: str = "light"
    ) -> str:
        """The drawing of a model as an SVG document.

        Args:
            model: id of a model, such as "llama-3.1-8b".
            level: "model" (all of it), "block" (one layer) or "vision" (the image encoder).
            layer: which layer, from 1.
            theme: "light" or "dark".
        """
        return self.export("svg", model, level, layer, theme)[0]

    @told
    def drawing(self, model: str, level: str, layer: int) -> tuple[str, str, dict]:
        """The drawing, the details box, and the slider with as many steps as layers."""
        found = self.catalogue.model(model)
        arch = found.architecture
        if arch is None:
            return no_shape(found), "", gr.skip()
        layers = arch.num_hidden_layers
        layer = min(layer, layers)
        slider = gr.update(maximum=layers, value=layer, visible=level == "block")
        if level == "vision" and arch.vision is None:
            return TEXT_ALONE, "", slider
        return drawings.draw(arch, display_name(found), level, layer - 1), diagram.HINT, slider

    @told
    def opened(self, model: str, event: gr.EventData) -> str:
        """What is inside the box that was opened."""
        arch = self.catalogue.model(model).architecture
        return diagram.part_card(arch, event.part) if arch else ""

    @told
    def export(self, kind: str, model: str, level: str, layer: int, theme: str) -> tuple[str, str]:
        """The drawing as a file of its own, and its name."""
        found = self.catalogue.model(model)
        arch = architecture_of(model, self.catalogue)
        style = drawings.file_style(theme)
        svg = drawings.draw(arch, display_name(found), level, layer - 1, style)
        return svg, f"{model}-{level}-{layer}.{kind}"
