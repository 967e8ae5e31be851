"""Folded parts of the Lab open themselves when a link has set something in them."""

from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.ui.tab import Page


def open_if_set(page: Page, fold: gr.Accordion, parts: Sequence[Component]) -> None:
    """Open the fold at a visit where one of its parts has another value than at first."""
    usual = [part.value for part in parts]

    def opened(*values: Any) -> Any:
        differs = any(value != first for value, first in zip(values, usual, strict=True))
        return gr.Accordion(open=True) if differs else gr.skip()

    page.visited.change(opened, list(parts), fold, api_visibility="private", show_progress="hidden")
