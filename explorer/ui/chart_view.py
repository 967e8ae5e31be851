"""A chart on the page: the figure, what must be said beside it, its rows to read and to save."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component
from markupsafe import Markup

from explorer.catalogue.scores import load_sources
from explorer.figures.chart import Chart
from explorer.ui import views
from explorer.ui.cards.sources import computed
from explorer.ui.errors import told
from explorer.ui.markup import element, joined
from explorer.ui.saving import save_buttons
from explorer.ui.tab import Page

COUNTED = "Counted over, or read in, the rows of this chart."

Draw = Callable[..., Chart]  # (*inputs, theme) -> Chart


def chart_view(
    page: Page, name: str, draw: Draw, inputs: Sequence[Component], shown: gr.Radio | None = None
) -> None:
    """Lay out a chart and draw it when it is seen, when an input or the theme changes.

    `shown` is the chooser of views, with `name` as this view's value: nothing is drawn elsewhere.
    """
    warnings = gr.HTML(label="What to mind", elem_classes="warnings")
    plot = gr.Plot(show_label=False, elem_classes="chart", elem_id=f"chart-{name}")
    chosen = shown or gr.Textbox(name, visible=False)
    with gr.Accordion("The figures in this chart", open=False):
        rows = gr.Dataframe(
            interactive=False, type="array", max_height=420, show_search="search",
            elem_classes="data", label="Figures", show_label=False, wrap=True,
        )  # fmt: skip
        save_buttons(
            {"csv": "Save as CSV", "json": "Save as JSON"}, exporter(name, draw), list(inputs)
        )
    triggers = [page.visited.change, page.theme.change, *(part.change for part in inputs)]
    gr.on(
        triggers, views.when_visited(drawer(name, draw), 3),
        [page.visited, chosen, *inputs, page.theme], [plot, warnings, rows],
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip


def drawer(name: str, draw: Draw) -> Callable[..., tuple[Any, Any, Any]]:
    """A handler that draws if its view is the one that is shown."""

    def drawn(shown: str, *values: Any) -> tuple[Any, Any, Any]:
        if shown != name:
            return gr.skip(), gr.skip(), gr.skip()
        chart = draw(*values)
        return chart.figure, warnings_card(chart.warnings), table_of(cited_rows(chart.rows))

    return told(drawn)


def exporter(name: str, draw: Draw) -> Callable[..., tuple[str, str]]:
    """A handler that gives exactly the rows of the chart as a file."""

    def exported(kind: str, *values: Any) -> tuple[str, str]:
        rows = cited_rows(draw(*values, "light").rows)
        return (as_json(rows) if kind == "json" else as_csv(rows)), f"{name}.{kind}"

    return told(exported)


def cited_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the titles of their documents in place of the keys, and a link to the first."""
    return [row | _cited(row["source"]) if row.get("source") else row for row in rows]


def _cited(source: str) -> dict[str, str]:
    documents = load_sources()
    told, links = [], []
    for entry in source.split("; "):
        key, colon, place = entry.partition(":")
        document = documents.get(key.strip())
        told.append(f"{document.title}{colon}{place}" if document else entry)
        links += [str(document.url)] if document else []
    return {"source": "; ".join(told), "link": links[0] if links else ""}


def warnings_card(warnings: Sequence[str]) -> Markup:
    """The sentences that must be seen with a chart."""
    if not warnings:
        return Markup("")
    lines = [element("li", sentence) for sentence in warnings]
    listed = element("ul", joined(lines))
    return computed(COUNTED, listed, tag="aside", class_="notice", role="note")


def table_of(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The rows as a table's value."""
    heads = list(rows[0]) if rows else []
    return {
        "headers": [head.replace("_", " ") for head in heads],
        "data": [[_cell(row.get(head)) for head in heads] for row in rows],
    }


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return value if isinstance(value, str | int) else str(value)


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as CSV. A cell that a spreadsheet would run as a formula gets a leading quote."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _harmless(value) for key, value in row.items()})
    return text.getvalue()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+@\t\r" and value else value


def as_json(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as JSON."""
    return json.dumps(list(rows), indent=2, ensure_ascii=False, default=str)
