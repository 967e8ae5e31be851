"""Benchmarks: published scores and fine-tuning results, what may be compared, uses and limits."""

from dataclasses import replace

import gradio as gr
from gradio.components import Component

from explorer.ui import views
from explorer.ui.benchmarks import contradictions, figures, peft, scores, terms, uses
from explorer.ui.tab import Page, Tab

VIEWS = {
    "scores": "Scores",
    "map": "Heat map",
    "pairs": "Smaller beats larger",
    "tradeoffs": "PEFT trade-offs",
    "full": "PEFT against full",
    "contradictions": "Contradictions",
    "figures": "All figures",
    "uses": "Uses and limits",
    "terms": "Terms",
}
INTRO = (
    "Published figures, each with its document. Only what was measured alike is joined by a line; "
    "what keeps the rest apart stands above each chart."
)


def build(page: Page) -> dict[str, Component]:
    """Lay out the tab; returns what the address bar keeps."""
    gr.Markdown(INTRO, elem_classes="intro")
    view = views.chooser(VIEWS)
    seen = views.seen(page, view, VIEWS)
    columns = {name: gr.Column(visible=name == "scores", elem_classes="view") for name in VIEWS}
    kept: dict[str, Component] = {"view": view}
    builders = {
        "scores": scores.build_scores,
        "map": scores.build_map,
        "pairs": scores.build_pairs,
        "tradeoffs": peft.build_tradeoffs,
        "full": peft.build_against_full,
        "contradictions": contradictions.build,
        "figures": figures.build,
        "uses": uses.build,
        "terms": terms.build,
    }
    for name, build_view in builders.items():
        with columns[name]:
            # a view is to its builder what a tab is: drawn when it is first seen
            kept |= build_view(replace(page, visited=seen[name]), view) or {}
    views.show_chosen(view, columns)
    return kept


TAB = Tab("benchmarks", "Benchmarks", 40, build)
