"""View: the timeline, and the table of all models to filter, sort and search."""

import gradio as gr
import plotly.graph_objects as go
from gradio.components import Component
from markupsafe import Markup

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import unknown
from explorer.catalogue.model import Model
from explorer.figures.timeline import timeline
from explorer.ui import models_table, views
from explorer.ui.cards.model import display_name
from explorer.ui.cards.sources import finder, sourced
from explorer.ui.endpoint import endpoint
from explorer.ui.errors import told
from explorer.ui.markup import element, joined
from explorer.ui.tab import Page

NAME = "models"  # of this view
FILTERS = {"generations": "Generation", "kinds": "Kind", "reads": "Reads"}


def build(page: Page, view: gr.Radio, seen: gr.State) -> tuple[dict[str, Component], gr.Dataframe]:
    """Lay the view out; returns its filters by URL name, and the table."""
    handlers = Handlers(page.catalogue)
    generations = sorted(page.catalogue.generations.values(), key=lambda g: g.order)
    choices = {
        "generations": [(generation.name, generation.id) for generation in generations],
        "kinds": models_table.KINDS,
        "reads": models_table.READS,
    }
    chart = gr.Plot(show_label=False, elem_classes="chart", elem_id="timeline")
    note = gr.HTML(label="Never released")
    gr.on(
        [seen.change, page.theme.change],
        views.when_visited(views.when_shown(NAME, handlers.timeline, 2), 2),
        [seen, view, page.theme], [chart, note],
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    with gr.Row(elem_classes="filters"):
        filters = {
            name: gr.Dropdown(choices[name], multiselect=True, label=label, value=[])
            for name, label in FILTERS.items()
        }
    table = gr.Dataframe(
        headers=list(models_table.HEADERS),
        datatype=list(models_table.DATATYPES),
        label="Models",
        interactive=False,
        column_widths=list(models_table.WIDTHS),
        pinned_columns=1,
        show_search="search",
        max_height=620,
        type="array",
        elem_classes=["data", "models"],
    )
    gr.on(
        [seen.change, *(part.change for part in filters.values())],
        views.when_shown(NAME, handlers.rows), [view, *filters.values()], table,
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    endpoint(handlers.models)
    return filters, table


def _missing(model: Model) -> Markup:
    """A model without a date, and why."""
    name = element("a", display_name(model), href=f"?tab=generations&view=model&model={model.id}")
    held = model.release_date
    why = sourced(held.note, held.source or model.name.source, finder(model.sources))
    return element("li", name, " has no date of its own: ", why)


class Handlers:
    """What the view answers with, over one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @told
    def timeline(self, theme: str) -> tuple[go.Figure, str]:
        """The timeline of all models, and the models that have no date of their own."""
        models, generations = models_table.ordered(self.catalogue), self.catalogue.generations
        drawn = timeline(models, theme, generations)
        missing = [m for m in self.catalogue.models.values() if m.release_date.value is None]
        return drawn.figure, element("ul", joined(map(_missing, missing)), class_="faint notes")

    @told
    def rows(self, generations: list[str], kinds: list[str], reads: list[str]) -> list[list]:
        """The table's rows for these filters."""
        return models_table.cells(models_table.rows(self.catalogue, generations, kinds, reads))

    @told
    def models(self, generation: str = "", kind: str = "", reads: str = "") -> list[dict]:
        """Every LLaMA of the catalogue: size, active size, kind, context, licence, release date.

        Args:
            generation: id of a generation ("llama-3.1"), or empty for all.
            kind: "dense", "mixture of experts", or empty for both.
            reads: "text", "text and images", or empty for both.
        """
        if generation:
            self.catalogue.generation(generation)
        if kind and kind not in models_table.KINDS:
            raise unknown("kind", kind, models_table.KINDS)
        if reads and reads not in models_table.READS:
            raise unknown("kind of input", reads, models_table.READS)
        wanted = ([value] if value else [] for value in (generation, kind, reads))
        return models_table.rows(self.catalogue, *wanted)

    def picked(self, event: gr.SelectData) -> tuple[str, str]:
        """The model of a selected row, and the view that shows it."""
        names = {display_name(model): model.id for model in self.catalogue.models.values()}
        return names[event.row_value[0]], "model"
