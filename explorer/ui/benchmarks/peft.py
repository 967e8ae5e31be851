"""Views of fine-tuning results: trade-offs between methods, and PEFT against full fine-tuning."""

import gradio as gr
from gradio.components import Component

from explorer.catalogue.scores import load_method_runs, load_published_results
from explorer.figures.chart import Chart
from explorer.figures.pareto import MEASURES, pareto, peft_against_full
from explorer.ui.benchmarks.scores import plain_rows
from explorer.ui.chart_view import chart_view
from explorer.ui.endpoint import endpoint
from explorer.ui.errors import told
from explorer.ui.tab import Page

RUNS = (
    "Every method of peft's own comparison: Llama 3.2 3B on MetaMathQA, tested on GSM8K. On the "
    "dashed line stand those that no other beats on both measures."
)
SLIVER = (
    "The survey's claim is that a sliver of the parameters suffices. Here is the evidence for and "
    "against: every document that measured a method beside full fine-tuning on the same task."
)


def build_tradeoffs(page: Page, view: gr.Radio) -> dict[str, Component]:
    """Any two measures of peft's comparison; returns the inputs by URL name."""
    gr.Markdown(RUNS, elem_classes="intro")
    choices = [(measure.label, name) for name, measure in MEASURES.items()]
    with gr.Row(elem_classes="filters"):
        across = gr.Dropdown(choices, value="trainable", label="Across")
        up = gr.Dropdown(choices, value="accuracy", label="Up")
    chart_view(page, "tradeoffs", tradeoffs, [across, up], view)
    endpoint(method_comparison)
    return {"x": across, "y": up}


def build_against_full(page: Page, view: gr.Radio) -> None:
    """How far other methods come of full fine-tuning."""
    gr.Markdown(SLIVER, elem_classes="intro")
    chart_view(page, "full", against_full, [], view)
    endpoint(peft_against_full_tuning, api_name="peft_against_full")


def tradeoffs(x: str, y: str, theme: str) -> Chart:
    """Every run on two measures, with those that are not beaten on both."""
    return pareto(load_method_runs(), x, y, theme)


def against_full(theme: str) -> Chart:
    """How far other methods come of full fine-tuning, document by document."""
    return peft_against_full(load_published_results(), theme)


@told
def method_comparison(x: str = "trainable", y: str = "accuracy") -> dict:
    """peft's own comparison of methods on Llama 3.2 3B: which are not beaten on two measures.

    Args:
        x: "accuracy", "trainable", "memory", "time", "forgetting", "file" or "train-loss".
        y: another of them.
    """
    chart = tradeoffs(x, y, "light")
    return {"warnings": list(chart.warnings), "rows": plain_rows(chart)}


@told
def peft_against_full_tuning() -> dict:
    """Published results of methods in per cent of full fine-tuning on the same task."""
    chart = against_full("light")
    return {"warnings": list(chart.warnings), "rows": plain_rows(chart)}
