"""The form that all of the tab's panels share: adapters, their strengths, sampling."""

from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.ui.compare.handlers import Handlers

PRECISIONS = [
    ("as each adapter was trained", "own"),
    ("unquantized for all", "none"),
    ("int8 for all", "int8"),
    ("nf4 for all", "nf4"),
]


def adapters() -> tuple[gr.Dropdown, gr.Slider]:
    """Which adapters, and how strongly all of them act."""
    with gr.Row(elem_classes="pick"):
        runs = gr.Dropdown(
            [], allow_custom_value=True, multiselect=True, max_choices=8, label="Adapters",
            elem_id="compare-runs", scale=3,
            info="the lab's finished runs and those that you brought",
        )  # fmt: skip
        strength = gr.Slider(
            0, 2, value=1, step=0.05, label="Strength of all adapters", scale=1, min_width=220,
            info="0 is the base, 1 as trained", elem_id="compare-strength",
        )  # fmt: skip
    return runs, strength


def mixer(handlers: Handlers, runs: gr.Dropdown) -> None:
    """A column at a strength of its own, or the sum of two LoRA adapters."""
    with gr.Accordion("One at another strength, or two LoRA adapters added up", open=False):
        with gr.Row():
            first = gr.Dropdown([], label="Adapter", value=None, scale=2, allow_custom_value=True)
            share = gr.Slider(0, 2, value=0.5, step=0.05, label="Its strength", scale=1)
        with gr.Row():
            other = gr.Dropdown(
                [],
                label="Plus another LoRA (optional)",
                value=None,
                scale=2,
                allow_custom_value=True,
            )
            its = gr.Slider(0, 2, value=0.5, step=0.05, label="Its strength", scale=1)
        add = gr.Button("Add as a column", size="sm")
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    runs.change(handlers.sources, [first, other], [first, other], **quiet)
    add.click(handlers.add_mix, [runs, first, share, other, its], runs, **quiet)


def settings() -> dict[str, Component]:
    """Sampling, system message, the base's precision: by their names in a link."""
    with gr.Accordion("Sampling", open=False):
        with gr.Row():
            limits: dict[str, Component] = {
                "tokens": gr.Slider(1, 512, value=64, step=1, label="Longest answer, in tokens"),
                "temperature": gr.Slider(
                    0, 2, value=0, step=0.05, label="Temperature (0 is greedy)"
                ),
                "top_p": gr.Slider(0.01, 1, value=1, step=0.01, label="Top p"),
            }
        with gr.Row():
            limits |= {
                "top_k": gr.Slider(0, 200, value=0, step=1, label="Top k (0 is no limit)"),
                "penalty": gr.Slider(0.5, 2, value=1, step=0.05, label="Repetition penalty"),
                "seed": gr.Number(0, minimum=0, maximum=2**31 - 1, precision=0, label="Seed"),
            }
        with gr.Row():
            limits |= {
                "stop": gr.Textbox("", label="Stop texts, one a line", lines=1, max_lines=8),
                "system": gr.Textbox(
                    "", label="System message", lines=1, max_lines=4,
                    info="empty takes the one that the runs were trained with",
                ),
                "precision": gr.Dropdown(
                    PRECISIONS, value="own", label="The base in memory",
                    info="one precision for all keeps one base in memory",
                ),
            }  # fmt: skip
    return limits
