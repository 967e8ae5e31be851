"""Views within a tab: a row of buttons of which one is on, and the column that it shows."""

import json
from collections.abc import Mapping

import gradio as gr


def chooser(names: Mapping[str, str], label: str = "View") -> gr.Radio:
    """The buttons: `names` are titles by the value that the address bar keeps; the first is on."""
    choices = [(title, value) for value, title in names.items()]
    return gr.Radio(
        choices,
        value=choices[0][1],
        label=label,
        show_label=False,
        elem_classes="segmented",
        container=False,
    )


def show_chosen(chosen: gr.Radio, columns: Mapping[str, gr.Column]) -> None:
    """Let the chosen view's column be seen and no other; in the browser, so without a wait."""
    names = json.dumps(list(columns))
    show = (
        f"(chosen) => {names}.map((name) => ({{ __type__: 'update', visible: name === chosen }}))"
    )
    chosen.change(None, chosen, list(columns.values()), js=show, api_visibility="private")
