"""The query string: what it gives back, what it refuses, what it leaves out."""

import gradio as gr
import pytest

from explorer.catalogue.errors import ExplorerError
from explorer.ui import address


@pytest.fixture
def components():
    with gr.Blocks():
        return {
            "model": gr.Dropdown(["llama-1-7b", "llama-3.1-8b"], value="llama-1-7b"),
            "r": gr.Slider(1, 256, value=8, step=1),
            "targets": gr.Dropdown(["q_proj", "v_proj"], value=["q_proj"], multiselect=True),
            "checkpointing": gr.Checkbox(value=False),
            "rate": gr.Number(value=1e-4, minimum=0, maximum=1),
            "steps": gr.Number(1, minimum=1),
            "prompt": gr.Textbox(),
            "runs": gr.Dropdown([], multiselect=True),
        }


def test_every_kind_of_input_is_read_back(components):
    query = {
        "tab": "budget",
        "model": "llama-3.1-8b",
        "r": "16",
        "targets": "q_proj,v_proj",
        "checkpointing": "true",
        "rate": "2e-3",
        "prompt": "a & b <i>",
        "runs": "one,two",
    }
    values, sentences = address.read(query, components)
    assert sentences == []
    assert values == {
        "model": "llama-3.1-8b",
        "r": 16,
        "targets": ["q_proj", "v_proj"],
        "checkpointing": True,
        "rate": 2e-3,
        "prompt": "a & b <i>",
        "runs": ["one", "two"],
    }


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("model", "llama-3.1-8", "Did you mean 'llama-3.1-8b'?"),
        ("r", "9999", "between 1 and 256"),
        ("r", "nan", "between 1 and 256"),
        ("r", "many", "not a number"),
        ("steps", "inf", "between 1 and 9,007,199,254,740,992"),
        ("steps", "1e30", "between 1 and 9,007,199,254,740,992"),
        ("steps", "nan", "between 1 and 9,007,199,254,740,992"),
        ("steps", "0", "between 1 and"),
        ("targets", "q_proj,w_proj", "Did you mean"),
        ("checkpointing", "perhaps", "true or false"),
        ("prompt", "x" * 20_001, "20000 at most"),
    ],
)
def test_a_wrong_value_is_told_and_the_rest_is_kept(components, name, text, told):
    values, sentences = address.read({name: text, "rate": "0.5"}, components)
    assert name not in values
    assert values == {"rate": 0.5} or name == "rate"
    assert len(sentences) == 1
    assert told in sentences[0]


def test_parse_raises_a_sentence(components):
    with pytest.raises(ExplorerError, match=r"r = inf in the link"):
        address.parse("r", "inf", components["r"])


def test_the_writer_knows_each_tab_its_names_and_defaults(components):
    script = address.writer("budget", components)
    assert 'tab: "budget"' in script
    assert '["model", "r", "targets"' in script
    assert 'usual = ["llama-1-7b", 8, ["q_proj"], false, 0.0001' in script
