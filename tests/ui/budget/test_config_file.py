"""The config of a base that is registered here: by its name, never by a path."""

import json

import gradio as gr
import pytest

from explorer.catalogue.config import architecture_from_text
from explorer.lab.base_folder import Base, BaseMissingError
from explorer.ui.budget import config_file

CONFIG = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "vocab_size": 256,
    "num_hidden_layers": 2, "num_attention_heads": 4,
}  # fmt: skip


@pytest.fixture
def two_bases(tmp_path, monkeypatch):
    """One base in a folder, and one that is not here."""

    def found(name):
        if name == "away":
            raise BaseMissingError("It is not here.")
        return Base(name, tmp_path)

    monkeypatch.setattr(config_file, "checkpoints", lambda: {"near": None, "away": None})
    monkeypatch.setattr(config_file, "find_base", found)
    return tmp_path / "config.json"


def test_a_base_on_this_machine_gives_its_config(two_bases):
    two_bases.write_text(json.dumps(CONFIG, indent=4))
    assert list(config_file.here()) == ["near"]
    text = config_file.of_base("near")
    assert json.loads(text) == CONFIG
    assert " " not in text
    assert architecture_from_text(text).num_hidden_layers == 2
    assert config_file.of_base("") == ""


def test_no_config_no_base(two_bases):
    assert not two_bases.exists()
    assert config_file.here() == {}


@pytest.mark.parametrize("name", ["../../etc", "/etc/passwd", "away", "nera"])
def test_only_registered_names_are_taken(two_bases, name):
    two_bases.write_text(json.dumps(CONFIG))
    with pytest.raises(gr.Error, match="There is no base on this machine"):
        config_file.of_base(name)


def test_a_config_that_no_link_carries_is_told(two_bases):
    two_bases.write_text(json.dumps(CONFIG | {"told": "x" * 20_000}))
    with pytest.raises(gr.Error, match="a link carries"):
        config_file.of_base("near")
