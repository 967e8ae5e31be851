"""What an endpoint does with arguments that are not of the types it states."""

import inspect
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
def offered():
    """Every endpoint for programs, by name."""
    public = (f for f in build_app().fns.values() if f.api_visibility == "public")
    return {f.api_name: f.fn for f in public if all(isinstance(i, Api) for i in f.inputs)}


def test_each_has_the_name_of_its_function(offered):
    assert len(offered) > 50
    assert not [name for name in offered if name.endswith("_1")]


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
