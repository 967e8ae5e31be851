"""Generations: how LLaMA 1 became LLaMA 4, every model with its facts, drawings and differences."""

import gradio as gr
from gradio.components import Component

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.figures.diagram.block import Rendering
from explorer.ui import diagram, drawings, models_table, views
from explorer.ui.cards.model import display_name, model_facts, model_head, no_shape
from explorer.ui.errors import told
from explorer.ui.tab import Page, Tab

FIRST = "llama-3.1-8b"
HINT = '<p class="faint hint">Select a box to see its weights, shapes and share of the whole.</p>'
VIEWS = {
    "models": "Timeline and table",
    "model": "One model",
}
INTRO = (
    "Every LLaMA that Meta released or announced. Each number has its source beside it: hover, "
    "focus or touch it."
)


def build(page: Page) -> dict[str, Component]:
    """Lay out the tab; returns what the address bar keeps."""
    handlers = Handlers(page.catalogue)
    gr.Markdown(INTRO, elem_classes="intro")
    view = views.chooser(VIEWS)
    with gr.Column(elem_classes="view") as models_view:
        filters, table = _table(page, handlers)
    with gr.Column(visible=False, elem_classes="view") as model_view:
        inputs = _model(page, handlers)
    views.show_chosen(view, {"models": models_view, "model": model_view})
    table.select(
        handlers.picked,
        None,
        [inputs["model"], view],
        api_visibility="private",
        show_progress="hidden",
    )
    return {"view": view, **inputs, **filters}


def _table(page: Page, handlers: "Handlers") -> tuple[dict[str, Component], gr.Dataframe]:
    generations = sorted(page.catalogue.generations.values(), key=lambda g: g.order)
    with gr.Row(elem_classes="filters"):
        filters = {
            name: gr.Dropdown(choices, multiselect=True, label=label, value=[])
            for name, label, choices in (
                ("generations", "Generation", [(g.name, g.id) for g in generations]),
                ("kinds", "Kind", models_table.KINDS),
                ("reads", "Reads", models_table.READS),
            )
        }
    table = gr.Dataframe(
        headers=list(models_table.HEADERS),
        datatype=list(models_table.DATATYPES),
        label="Models (select a row to open its card)",
        interactive=False,
        column_widths=list(models_table.WIDTHS),
        pinned_columns=1,
        show_search="search",
        max_height=620,
        type="array",
        elem_classes="data",
    )
    inputs = list(filters.values())
    gr.on(
        [page.visited.change, *(part.change for part in inputs)],
        handlers.rows, inputs, table, api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    return filters, table


def _model(page: Page, handlers: "Handlers") -> dict[str, Component]:
    names = [(display_name(m), m.id) for m in models_table.ordered(page.catalogue)]
    with gr.Row(elem_classes="pick"):
        model = gr.Dropdown(names, value=FIRST, label="Model", scale=3)
        budget = gr.Button("Budget a fine-tune", variant="primary", scale=1)
    head = gr.HTML()
    drawn = _diagram(page, handlers, model)
    facts = gr.HTML()
    gr.on(
        [page.visited.change, model.change],
        handlers.card, model, [head, facts], api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    page.hand_over(budget, "budget", {"model": model})
    return {"model": model, **drawn}


def _diagram(page: Page, handlers: "Handlers", model: gr.Dropdown) -> dict[str, Component]:
    with gr.Row(elem_classes="pick"):
        level = views.chooser(drawings.LEVELS, "Level")
        layer = gr.Slider(1, 126, value=1, step=1, label="Layer", scale=1)
    parts = diagram.lay_out()
    inputs = [model, level, layer]
    gr.on(
        [page.visited.change, *(part.change for part in inputs)],
        handlers.drawing, inputs, [parts.drawing, parts.details, layer],
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    parts.drawing.opened(
        handlers.opened, model, parts.details, api_visibility="private", show_progress="hidden"
    )
    diagram.wire_saving(parts, handlers.export, [*inputs, page.theme])
    return {"level": level, "layer": layer}


class Handlers:
    """What the tab answers with, from plain values, over one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @told
    def rows(self, generations: list[str], kinds: list[str], reads: list[str]) -> list[list]:
        """The table's rows for these filters."""
        return models_table.cells(models_table.rows(self.catalogue, generations, kinds, reads))

    @told
    def card(self, model: str) -> tuple[str, str]:
        """A model's head and its facts, as HTML."""
        found = self.catalogue.model(model)
        return model_head(self.catalogue, found), model_facts(found)

    @told
    def drawing(self, model: str, level: str, layer: int) -> tuple[str, str, dict]:
        """The drawing, an empty details box, and the slider with as many steps as layers."""
        found = self.catalogue.model(model)
        arch = found.architecture
        if arch is None:
            return no_shape(found), "", gr.skip()
        layers = arch.num_hidden_layers
        layer = min(layer, layers)
        svg = drawings.draw(arch, display_name(found), level, layer - 1)
        return svg, HINT, gr.update(maximum=layers, value=layer)

    @told
    def opened(self, model: str, event: gr.EventData) -> str:
        """What is inside the box that was opened."""
        arch = self.catalogue.model(model).architecture
        return diagram.part_card(arch, event.part) if arch else ""

    @told
    def export(self, model: str, level: str, layer: int, theme: str) -> tuple[str, str]:
        """The drawing as a file of its own, and its name."""
        found = self.catalogue.model(model)
        if found.architecture is None:
            raise ExplorerError(f"The shape of {display_name(found)} was never published.")
        style = Rendering(theme, standalone=True)
        svg = drawings.draw(found.architecture, display_name(found), level, layer - 1, style)
        return svg, f"{model}-{level}-{layer}"

    def picked(self, event: gr.SelectData) -> tuple[str, str]:
        """The model of a selected row, and the view that shows it."""
        names = {display_name(model): model.id for model in self.catalogue.models.values()}
        return names[event.row_value[0]], "model"


TAB = Tab("generations", "Generations", 10, build)
