"""View: every published score as a table, to filter, to search and to save."""

from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.catalogue.benchmark import Score
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.scores import load_scores
from explorer.ui.benchmarks.scores import Charts
from explorer.ui.cards.model import display_name
from explorer.ui.chart_view import as_csv, as_json, cited_rows, table_of
from explorer.ui.errors import told
from explorer.ui.models_table import ordered
from explorer.ui.saving import save_buttons
from explorer.ui.tab import Page

NAME = "figures"
INTRO = (
    "Every figure as its document prints it. The same model and benchmark may stand here several "
    "times, once for each document; the last column says which figures no chart shows, and why."
)


def build(page: Page, view: gr.Radio) -> dict[str, Component]:
    """Lay the view out; returns its inputs by URL name."""
    handlers = Handlers(page.catalogue)
    gr.Markdown(INTRO, elem_classes="intro")
    names = [(display_name(model), model.id) for model in ordered(page.catalogue)]
    with gr.Row(elem_classes="filters"):
        models = gr.Dropdown(names, value=[], multiselect=True, label="Models")
        benchmarks = gr.Dropdown(
            Charts(page.catalogue).benchmarks(), value=[], multiselect=True, label="Benchmarks"
        )
    count = gr.HTML(label="How many")
    table = gr.Dataframe(
        interactive=False, type="array", max_height=640, show_search="search", pinned_columns=1,
        elem_classes="data", label="Figures", show_label=False,
    )  # fmt: skip
    inputs = [models, benchmarks]
    gr.on(
        [page.visited.change, view.change, models.change, benchmarks.change],
        handlers.table, [view, *inputs], [table, count],
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    save_buttons({"csv": "Save as CSV", "json": "Save as JSON"}, handlers.export, inputs)
    return {"models": models, "benchmarks": benchmarks}


class Handlers:
    """What the view answers with, over one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def rows(self, models: list[str], benchmarks: list[str]) -> list[dict[str, Any]]:
        """The figures of these models and benchmarks; of all of them where none is named."""
        return cited_rows(
            [
                self._row(score)
                for score in load_scores()
                if (not models or score.model in models)
                and (not benchmarks or score.benchmark in benchmarks)
            ]
        )

    def _row(self, score: Score) -> dict[str, Any]:
        return {
            "model": display_name(self.catalogue.model(score.model)),
            "kind": score.variant,
            "benchmark": score.printed,
            "value": score.value,
            "metric": score.metric,
            "shots": score.shots,
            "better": score.better,
            "source": "; ".join(score.source),
            "note": score.note,
            "not plotted": score.not_plotted,
        }

    @told
    def table(self, view: str, models: list[str], benchmarks: list[str]) -> tuple[Any, Any]:
        """The table and how many rows it has, if this view is shown."""
        if view != NAME:
            return gr.skip(), gr.skip()
        rows = self.rows(models, benchmarks)
        return table_of(rows), f'<p class="faint">{len(rows):,} figures</p>'

    @told
    def export(self, kind: str, models: list[str], benchmarks: list[str]) -> tuple[str, str]:
        """The rows as a file, and its name."""
        rows = self.rows(models, benchmarks)
        return (as_json(rows) if kind == "json" else as_csv(rows)), f"llama-scores.{kind}"
