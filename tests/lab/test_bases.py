import json
import struct

import pytest

from explorer.catalogue.errors import UnknownNameError
from explorer.lab import bases
from explorer.lab.bases import BaseMissingError, UnfitBaseError


def test_every_registered_checkpoint_loads_and_the_embedded_one_comes_first():
    known = bases.checkpoints()
    assert next(iter(known)) == bases.EMBEDDED
    assert {"tinyllama-1.1b", "llama-3.2-1b", "llama-3.1-8b", "smollm2-1.7b"} <= set(known)


def test_an_unknown_base_is_refused_with_the_nearest_one():
    with pytest.raises(UnknownNameError, match=r"Did you mean 'llama-3\.2-1b'"):
        bases.find_base("lama-3.2-1b")


def test_a_missing_embedded_base_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path))
    with pytest.raises(BaseMissingError, match="run `python -m explorer setup` to fetch it"):
        bases.find_base(bases.EMBEDDED)
    assert "not on this machine yet" in bases.availability(bases.EMBEDDED)


def test_a_hub_base_that_was_never_downloaded_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(bases, "try_to_load_from_cache", lambda repository, file: None)
    with pytest.raises(
        BaseMissingError, match=r"setup --base llama-3\.2-1b` to download meta-llama"
    ):
        bases.find_base("llama-3.2-1b")
    assert "gated" in bases.availability("llama-3.2-1b")


def test_a_hub_base_in_the_hub_cache_is_loaded_from_there(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    found = str(tmp_path / "config.json")
    monkeypatch.setattr(bases, "try_to_load_from_cache", lambda repository, file: found)
    base = bases.find_base("tinyllama-1.1b")
    assert base.folder == tmp_path
    assert base.config == {"model_type": "llama"}


@pytest.fixture
def converted(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path))
    folder = bases.converted_folder(bases.checkpoint(bases.EMBEDDED))
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"12345")
    manifest = {"files": {"model.safetensors": {"bytes": 5, "sha256": ""}}}
    (folder / bases.MANIFEST).write_text(json.dumps(manifest))
    return folder


def test_a_whole_conversion_is_found(converted):
    assert bases.find_base(bases.EMBEDDED).folder == converted


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda f: (f / "model.safetensors").write_bytes(b"123"), "3 bytes instead of 5"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda f: (f / bases.MANIFEST).unlink(), "conversion did not finish"),
        (lambda f: (f / bases.MANIFEST).write_text("{"), "conversion did not finish"),
        (lambda f: (f / bases.MANIFEST).write_text("[]"), "conversion did not finish"),
    ],
)
def test_a_damaged_conversion_is_refused_in_one_sentence(converted, damage, sentence):
    damage(converted)
    with pytest.raises(BaseMissingError, match=sentence):
        bases.find_base(bases.EMBEDDED)


def test_a_local_folder_is_a_base_only_where_paths_are_allowed(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert bases.find_base(str(tmp_path), allow_paths=True).folder == tmp_path
    with pytest.raises(UnknownNameError):
        bases.find_base(str(tmp_path))


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ([], "no weights"),
        (["config.json", "pytorch_model.bin"], "pickled weights"),
        (["model.safetensors"], "no config.json"),
        (["a.gguf", "b.gguf"], "several GGUF files"),
    ],
)
def test_a_folder_without_loadable_weights_is_refused(tmp_path, files, sentence):
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(BaseMissingError, match=sentence):
        bases.find_base(str(tmp_path), allow_paths=True)


def gguf(architecture):
    """The head of a GGUF file."""
    key, value = b"general.architecture", architecture.encode()
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
    return head + struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(value)) + value


def test_a_folder_with_one_gguf_file_is_a_gguf_base(tmp_path):
    (tmp_path / "a.gguf").write_bytes(gguf("llama"))
    base = bases.find_base(str(tmp_path), allow_paths=True)
    assert (base.form, base.gguf_file) == ("gguf", "a.gguf")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (gguf("gemma3"), "is a 'gemma3' model; the lab runs LLaMA"),
        (b"", "is not a GGUF file"),
        (b"PK\x03\x04", "is not a GGUF file"),
    ],
)
def test_a_gguf_file_of_something_else_is_refused(tmp_path, content, sentence):
    (tmp_path / "a.gguf").write_bytes(content)
    with pytest.raises(UnfitBaseError, match=sentence):
        bases.find_base(str(tmp_path), allow_paths=True)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"model_type": "gpt2"}, "is a 'gpt2' model; the lab runs LLaMA architectures"),
        ({}, "names no model_type"),
        ([], "names no model_type"),
        ({"quantization_config": {"quant_method": "gptq"}}, "is stored in 'gptq'"),
        ({"quantization_config": {"load_in_4bit": True}}, "is stored in 'fp4'"),
    ],
)
def test_a_checkpoint_that_cannot_be_trained_is_refused(tmp_path, config, sentence):
    if "quantization_config" in config:
        config["model_type"] = "llama"
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UnfitBaseError, match=sentence):
        bases.find_base(str(tmp_path), allow_paths=True)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a":' + "9" * 5000 + "}"])
def test_a_config_that_cannot_be_read_is_told(tmp_path, text):
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(bases.UnfitBaseError, match=r"config\.json is not JSON"):
        bases.find_base(str(tmp_path), allow_paths=True)
