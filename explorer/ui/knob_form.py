"""Inputs for the knobs of any method, made from its data file."""

from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.catalogue.knob import LINEARS, Knob
from explorer.catalogue.method import Method


def knob_inputs(method: Method, values: dict[str, Any]) -> dict[str, Component]:
    """An input for each knob, at these values."""
    return {name: _input(name, knob, values[name]) for name, knob in method.knobs.items()}


def _input(name: str, knob: Knob, value: Any) -> Component:
    shared = {"label": name, "info": knob.help, "interactive": True, "min_width": 100}
    if knob.type == "bool":
        return gr.Checkbox(bool(value), **shared)
    if knob.type == "choice":
        choices = [
            (str(choice).lower() if isinstance(choice, bool) else choice, _typed(choice))
            for choice in knob.choices
        ]
        return gr.Dropdown(choices, value=_typed(value), **shared)
    if knob.type == "sites":
        return gr.Dropdown(
            list(dict.fromkeys([*LINEARS, *(value or ())])), value=list(value or ()),
            multiselect=True, allow_custom_value=True, **shared,
        )  # fmt: skip
    if knob.type in ("int", "float") and knob.default is not None:
        whole = knob.type == "int"
        return gr.Number(
            value, minimum=knob.min, maximum=knob.max, precision=0 if whole else None,
            step=(2 if knob.even else 1) if whole else None, **shared,
        )  # fmt: skip
    words = ",".join(map(str, value)) if isinstance(value, tuple) else value
    words = "" if words is None else str(words)
    return gr.Textbox(words, max_length=2000, placeholder="unset", **shared)


def _typed(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
