"""What an endpoint does with arguments that are not of the types it states."""

import inspect
import re
from typing import Any

import gradio as gr
import pytest
from gradio.components.api_component import Api

from explorer.catalogue.errors import ExplorerError
from explorer.ui.app import build_app
from explorer.ui.endpoint import checked


def add(words: str, most: int = 8, runs: list[str] | None = None, exact: bool = True) -> Any:
    return words, most, runs, exact


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"words": None}, "words = null: it takes a text."),
        ({"words": 5}, "words = 5: it takes a text."),
        ({"words": "x", "most": "many"}, 'most = "many": it takes a whole number.'),
        ({"words": "x", "most": 1.5}, "most = 1.5: it takes a whole number."),
        ({"words": "x", "runs": "y"}, 'runs = "y": it takes a list of texts, or null.'),
        ({"words": "x", "runs": [1]}, "runs = [1]: it takes a list of texts, or null."),
        ({"words": "x", "exact": "perhaps"}, 'exact = "perhaps": it takes true or false.'),
    ],
)
def test_another_type_is_refused_in_a_sentence_with_the_name(given, sentence):
    with pytest.raises(ExplorerError) as refusal:
        checked(add)(**given)
    assert str(refusal.value) == sentence


def test_a_long_value_is_cut():
    with pytest.raises(ExplorerError) as refusal:
        checked(add)("x", runs=["y " * 5000, 1])
    assert len(str(refusal.value)) < 160


def test_what_has_one_meaning_is_read_and_a_generator_stays_one():
    assert checked(add)("x", "8", None, True) == ("x", 8, None, True)

    def stream(times: int) -> Any:
        yield from range(times)

    assert list(checked(stream)(2.0)) == [0, 1]
    with pytest.raises(ExplorerError, match="times = null"):
        list(checked(stream)(None))


@pytest.fixture(scope="module")
def public():
    """Every endpoint, by name."""
    return {f.api_name: f for f in build_app().fns.values() if f.api_visibility == "public"}


@pytest.fixture(scope="module")
def offered(public):
    """Every endpoint for programs, by name."""
    return {n: f.fn for n, f in public.items() if all(isinstance(i, Api) for i in f.inputs)}


def test_the_api_and_mcp_call_each_the_same(public):
    assert len(public) > 50
    assert [name for name, found in public.items() if found.fn.__name__ != name] == []
    assert "count" in public


def test_each_says_what_it_takes(public):
    for name, found in public.items():
        says = inspect.getdoc(found.fn) or ""
        for parameter in inspect.signature(found.fn).parameters:
            assert re.search(rf"^    {parameter}: \S", says, re.M), f"{name}: {parameter}"
        assert all(output.label for output in found.outputs), name


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("models", {"kind": "sparse"}, "There is no kind 'sparse'"),
        ("models", {"reads": "sound"}, "There is no kind of input 'sound'"),
        ("methods", {"family": "low-ranks"}, "Did you mean 'low-rank'"),
        ("diagram", {"model": "llama-2-7b", "theme": "blue"}, "There is no theme 'blue'"),
        ("method_diagram", {"method": "lora", "layer": 999}, "layer"),
        ("smaller_beats_larger", {"most": -1}, "it takes a whole number from 1"),
    ],
)
def test_a_value_that_there_is_not_is_refused(offered, name, given, sentence):
    with pytest.raises(gr.Error, match=sentence):
        offered[name](**given)


def test_each_refuses_another_type_in_a_sentence(offered):
    for name, function in offered.items():
        for parameter, kind in inspect.signature(function).parameters.items():
            wrong = [None] if kind.annotation == dict[str, Any] else {"a": [1]}
            with pytest.raises(gr.Error, match=f"^'{parameter} = .*: it takes .*\\.'$"):
                consume(function(**{parameter: wrong}))
            assert name


def consume(answer: Any) -> None:
    """Run a generator to its end."""
    if inspect.isgenerator(answer):
        list(answer)


@pytest.mark.parametrize("base", ["/", "./models", "../models", "y" * 5000])
@pytest.mark.parametrize(
    ("name", "rest"),
    [("start_race", {"methods": ["lora"]}), ("start_sweep", {"method": "lora", "values": "r=2"})],
)
def test_a_visitor_names_no_folder_of_the_machine(offered, name, rest, base):
    with pytest.raises(gr.Error, match="There is no base"):
        offered[name](task="ship-log", base=base, **rest)
