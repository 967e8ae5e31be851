"""View: every published figure as a table, to filter, to search and to save."""

from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.catalogue.benchmark import Score
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import unknown
from explorer.catalogue.result import MethodRun, PublishedResult
from explorer.catalogue.scores import load_method_runs, load_published_results, load_scores
from explorer.ui.benchmarks.scores import Charts
from explorer.ui.cards.model import display_name
from explorer.ui.cards.sources import computed
from explorer.ui.chart_view import as_csv, as_json, cited_rows, table_of
from explorer.ui.endpoint import endpoint
from explorer.ui.errors import told
from explorer.ui.models_table import ordered
from explorer.ui.saving import save_buttons
from explorer.ui.tab import Page

NAME = "figures"
INTRO = (
    "Every figure as its document prints it. The same model and benchmark may stand here several "
    "times, once for each document; a column says which figures no chart shows, and why."
)
SETS = {
    "scores": "Scores of LLaMA models",
    "results": "Published results of fine-tuning",
    "runs": "Runs of peft's own comparison",
}
WIDTHS = {
    "model": 150, "kind": 90, "benchmark": 170, "value": 90, "metric": 170, "shots": 70,
    "better": 80, "source": 340, "note": 260, "not plotted": 240, "link": 300,
    "method": 170, "base model": 150, "trained": 120, "task": 240, "printed": 110, "unit": 80,
}  # fmt: skip
USUAL_WIDTH = 140  # of the columns that are not named above, in pixels

Row = dict[str, Any]


def build(page: Page, view: gr.Radio) -> dict[str, Component]:
    """Lay the view out; returns its inputs by URL name."""
    handlers = Handlers(page.catalogue)
    gr.Markdown(INTRO, elem_classes="intro")
    names = [(display_name(model), model.id) for model in ordered(page.catalogue)]
    with gr.Row(elem_classes="filters"):
        which = gr.Dropdown(
            [(title, name) for name, title in SETS.items()], value="scores", label="Table"
        )
        models = gr.Dropdown(names, value=[], multiselect=True, label="Models")
        benchmarks = gr.Dropdown(
            Charts(page.catalogue).benchmarks(), value=[], multiselect=True,
            label="Benchmarks (of scores)",
        )  # fmt: skip
    count = gr.HTML(label="How many")
    table = gr.Dataframe(
        interactive=False, type="array", max_height=640, show_search="search", pinned_columns=1,
        elem_classes="data", label="Figures", show_label=False,
    )  # fmt: skip
    inputs = [which, models, benchmarks]
    gr.on(
        [page.visited.change, *(part.change for part in inputs)],
        handlers.table, [view, *inputs], [table, count],
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    save_buttons({"csv": "Save as CSV", "json": "Save as JSON"}, handlers.export, inputs)
    endpoint(handlers.published_figures)
    return {"table": which, "models": models, "benchmarks": benchmarks}


class Handlers:
    """What the view answers with, over one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.makers: dict[str, Callable[[list[str], list[str]], list[Row]]] = {
            "scores": self._scores,
            "results": self._results,
            "runs": self._runs,
        }

    def rows(self, which: str, models: list[str], benchmarks: list[str]) -> list[Row]:
        """The figures of one of SETS, of these models and benchmarks; all where none is named."""
        if which not in SETS:
            raise unknown("table", which, SETS)
        return cited_rows(self.makers[which](models, benchmarks))

    def _scores(self, models: list[str], benchmarks: list[str]) -> list[Row]:
        return [
            self._score(score)
            for score in load_scores()
            if (not models or score.model in models)
            and (not benchmarks or score.benchmark in benchmarks)
        ]

    def _score(self, score: Score) -> Row:
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

    def _results(self, models: list[str], benchmarks: list[str]) -> list[Row]:
        found = load_published_results()
        return [_result(result) for result in found if not models or result.model in models]

    def _runs(self, models: list[str], benchmarks: list[str]) -> list[Row]:
        return [_run(run) for run in load_method_runs() if not models or run.model in models]

    @told
    def table(
        self, view: str, which: str, models: list[str], benchmarks: list[str]
    ) -> tuple[Any, Any]:
        """The table and how many rows it has, if this view is shown."""
        if view != NAME:
            return gr.skip(), gr.skip()
        rows = self.rows(which, models, benchmarks)
        heads = list(rows[0]) if rows else []
        widths = [f"{WIDTHS.get(head, USUAL_WIDTH)}px" for head in heads]
        return (
            gr.update(value=table_of(rows), column_widths=widths),
            computed("Counted in this table.", f"{len(rows):,} rows", tag="p", class_="faint"),
        )

    @told
    def export(
        self, kind: str, which: str, models: list[str], benchmarks: list[str]
    ) -> tuple[str, str]:
        """The rows as a file, and its name."""
        rows = self.rows(which, models, benchmarks)
        return (as_json(rows) if kind == "json" else as_csv(rows)), f"llama-{which}.{kind}"

    @told
    def published_figures(self, table: str = "scores", model: str = "") -> list[dict]:
        """Published figures with their documents: scores, fine-tuning results, peft's own runs.

        Args:
            table: "scores" of LLaMA models, published "results" of fine-tuning them, or the "runs"
                of peft's own comparison of methods.
            model: id of a model, or empty for all.
        """
        if model:
            self.catalogue.model(model)
        return self.rows(table, [model] if model else [], [])


def _result(result: PublishedResult) -> Row:
    return {
        "method": result.label,
        "base model": result.base_model,
        "task": result.task,
        "metric": result.metric,
        "value": result.value,
        "unit": result.unit,
        "printed": result.printed,
        "trained": result.trainable_params,
        "source": "; ".join(result.source),
        "note": "; ".join(part for part in (result.note, result.trainable_note) if part),
        "not plotted": result.not_plotted,
    }


def _run(run: MethodRun) -> Row:
    held = run.model_dump(exclude={"source", "model", "peft_type"})
    return {name.replace("_", " "): value for name, value in held.items()} | {
        "source": "; ".join(run.source)
    }
