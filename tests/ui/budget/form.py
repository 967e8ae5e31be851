"""The Budget tab's form and handlers without a page, and plans to put in them."""

from functools import cache

import gradio as gr

from explorer.catalogue.catalogue import load_catalogue
from explorer.ui.budget import form
from explorer.ui.budget.case import Case
from explorer.ui.budget.handlers import Handlers
from explorer.ui.budget.links import PlanLines

CATALOGUE = load_catalogue()
CONFIG = (
    '{"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "vocab_size": 256,'
    ' "num_hidden_layers": 2, "num_attention_heads": 4}'
)


@cache
def lines() -> PlanLines:
    """Plans as links over the real form."""
    with gr.Blocks():
        return PlanLines(form.lay_out(CATALOGUE).inputs)


def handlers() -> Handlers:
    return Handlers(CATALOGUE, lines())


def values(**changes):
    """The form's values, in order."""
    assert set(changes) <= set(lines().inputs)
    return [changes.get(name, usual) for name, usual in lines().usual.items()]


def case(**changes) -> Case:
    return handlers().case(values(**changes))
