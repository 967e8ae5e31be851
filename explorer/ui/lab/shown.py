"""Where the Lab tab shows its runs: table, one chart of many, examples, memory, history."""

import gradio as gr
from gradio.components import Component

from explorer.figures.race import COSTS
from explorer.ui.lab.charts import CHARTS

SECONDS = 1.0  # between two looks at the run folders


def results() -> dict[str, Component]:
    """The outputs by name, with the choices that belong to them."""
    shown: dict[str, Component] = {"headline": gr.HTML(elem_id="race-headline")}
    with gr.Row(elem_classes="pick"):
        shown["stop"] = gr.Button("Stop", variant="stop", scale=1)
        shown["compare"] = gr.Button("Compare the answers", scale=1)
    shown["table"] = gr.HTML(elem_id="race-table")
    with gr.Row(elem_classes="pick"):
        shown["chart"] = gr.Dropdown(CHARTS, value="loss", label="Chart", scale=2)
        shown["cost"] = gr.Dropdown(
            [(cost.label, name) for name, cost in COSTS.items()], value="trainable",
            label="Against", visible=False, scale=1,
        )  # fmt: skip
        # Its choices come with its value, which would be refused for not being one of them yet.
        shown["inside"] = gr.Dropdown(
            [], label="Look into", visible=False, scale=1, allow_custom_value=True
        )
    shown["plot"] = gr.Plot(show_label=False, elem_id="race-plot")
    shown["examples"] = gr.HTML(elem_id="race-examples")
    with gr.Accordion("Peak memory, term by term", open=False):
        shown["memory"] = gr.HTML(elem_id="race-memory")
    with gr.Accordion("Runs so far", open=False):
        # A link names runs before the choices are there.
        shown["runs"] = gr.Dropdown(
            [], multiselect=True, label="Runs shown above", elem_id="race-runs",
            allow_custom_value=True,
        )  # fmt: skip
        shown["delete"] = gr.Button("Delete the runs shown", size="sm", elem_classes="for-good")
    shown["seen"] = gr.Textbox(visible="hidden")
    shown["timer"] = gr.Timer(SECONDS, active=False)
    return shown
