"""A sentence is read whole, whatever it quotes, by a visitor and by a program."""

import inspect

import gradio as gr
import pytest

from explorer.catalogue.errors import ExplorerError
from explorer.ui.errors import told, told_plainly

SENTENCE = "There is no model '<img src=x>'. Known: a & b."
ESCAPED = "There is no model '&lt;img src=x&gt;'. Known: a &amp; b."


def refuse(words: str) -> str:
    raise ExplorerError(SENTENCE)


def refuse_later(words: str) -> str:
    yield words
    raise ExplorerError(SENTENCE)


@pytest.mark.parametrize("handler", [refuse, refuse_later])
def test_a_toast_shows_what_was_typed_and_runs_none_of_it(handler):
    assert message(told(handler)) == ESCAPED
    assert message(told_plainly(told(handler))) == SENTENCE


def message(handler):
    with pytest.raises(gr.Error) as refusal:
        list(handler("x")) if inspect.isgeneratorfunction(handler) else handler("x")
    return refusal.value.message


def test_other_faults_stay_faults():
    with pytest.raises(ZeroDivisionError):
        told_plainly(told(lambda: 1 / 0))()
