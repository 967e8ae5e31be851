import json
import struct

import pytest

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError, UnknownNameError
from explorer.lab.adapter_source import find_source
from explorer.lab.bases import EMBEDDED
from explorer.lab.own_adapters.hub import fetch_adapter
from explorer.lab.own_adapters.store import (
    adapters_folder,
    delete_adapter,
    find_adapter,
    keep_adapter,
    list_adapters,
)
from explorer.lab.own_adapters.unpack import CONFIG, WEIGHTS, AdapterUploadError

pytestmark = pytest.mark.usefixtures("runs_here")
LORA = {"peft_type": "LORA", "base_model_name_or_path": "HuggingFaceTB/SmolLM2-135M-Instruct"}


def with_header(header, numbers=bytes(20)):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


def safetensors(tensors=None, behind=b""):
    header, offset = {}, 0
    for name, shape in (tensors or {"a": [2, 3], "b": [4]}).items():
        size = 4
        for length in shape:
            size *= length
        offsets = [offset, offset + size]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": offsets}
        offset += size
    return with_header(header, bytes(offset) + behind)


@pytest.fixture(scope="module")
def catalogue():
    return load_catalogue()


@pytest.fixture
def brought(tmp_path):
    def write(config=LORA, weights=None):
        (tmp_path / CONFIG).write_text(config if isinstance(config, str) else json.dumps(config))
        (tmp_path / WEIGHTS).write_bytes(safetensors() if weights is None else weights)
        return [tmp_path / CONFIG, tmp_path / WEIGHTS]

    return write


def test_an_adapter_is_kept_found_listed_and_deleted(catalogue, brought):
    kept = keep_adapter(brought(), catalogue, "Mine")
    assert find_adapter(kept.id).about.model_dump() == {
        "name": "Mine", "method": "lora", "base": EMBEDDED, "parameters": 10,
    }  # fmt: skip
    source = find_source(kept.id)
    assert (source.base, source.label, source.folder) == (EMBEDDED, "Mine", kept.files)
    assert [found.id for found in list_adapters()] == [kept.id]
    delete_adapter(kept.id)
    assert list(list_adapters()) == []
    with pytest.raises(UnknownNameError, match="may have been deleted"):
        find_source(kept.id)


def test_settings_that_fetch_or_run_something_are_left_out(catalogue, brought):
    dangerous = {
        "auto_mapping": {"base_model_class": "x", "parent_library": "os"},
        "tokenizer_name_or_path": "evil/repo",
        "tokenizer_kwargs": {"trust_remote_code": True},
        "prompt_tuning_init": "TEXT",
        "enable_lora": None,
        "prompt_tuning_init_state_dict_path": "/etc/x.pt",
        "corda_config": {"cache_file": "x.pt"},
        "init_lora_weights": "gaussian",
        "megatron_core": "antigravity",
        "inference_mode": False,
    }
    kept = keep_adapter(brought(LORA | dangerous | {"r": 4}), catalogue)
    config = json.loads((kept.files / CONFIG).read_text())
    assert config == {
        **LORA, "r": 4, "init_lora_weights": True, "prompt_tuning_init": "RANDOM",
        "inference_mode": True, "task_type": "CAUSAL_LM",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ("no json", "is not JSON"),
        ("[1]", "is not an object"),
        ("[" * 100_000, "is not JSON"),
        ({}, "type is None"),
        ({"peft_type": ["LORA"]}, "which peft 0.21 has not"),
        ({"peft_type": "<script>"}, "which peft 0.21 has not"),
        ({"peft_type": "XLORA"}, "does not run here"),
        ({**LORA, "base_model_name_or_path": "meta-llama/Llama-9"}, "none of the bases here"),
        ({**LORA, "r": -1}, "r = -1: at least 1 is needed"),
        ({**LORA, "r": 0}, "r = 0: at least 1 is needed"),
    ],
)
def test_a_config_that_cannot_be_used_is_refused(catalogue, brought, config, sentence):
    with pytest.raises(AdapterUploadError, match=sentence):
        keep_adapter(brought(config), catalogue)
    assert list(adapters_folder().iterdir()) == []


def test_a_config_with_a_mark_of_its_encoding_is_read(catalogue, brought):
    assert keep_adapter(brought("\ufeff" + json.dumps(LORA)), catalogue).about.method == "lora"


def test_a_base_that_nobody_knows_is_told(catalogue, brought):
    unsaid = {"peft_type": "LORA", "base_model_name_or_path": None}
    for config in (LORA, unsaid):
        with pytest.raises(UnknownNameError, match="There is no base 'nope'"):
            keep_adapter(brought(config), catalogue, base="nope")
    assert list(adapters_folder().iterdir()) == []


def test_an_adapter_for_another_base_is_refused(catalogue, brought):
    with pytest.raises(AdapterUploadError, match=r"made for smollm2-135m-instruct, not for tiny"):
        keep_adapter(brought(), catalogue, base="tinyllama-1.1b")


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        (b"", "its header is damaged"),
        (b"\x80\x04pickle....", "its header is damaged"),
        (struct.pack("<Q", 2**60) + b"{}", "its header is damaged"),
        (struct.pack("<Q", 4) + b"nope", "its header cannot be read"),
        (struct.pack("<Q", 2) + b"[]", "its header cannot be read"),
        (struct.pack("<Q", 2) + b"{}", "holds no tensors"),
        (struct.pack("<Q", 9) + b'{"a": {}}', "its header cannot be read"),
        *(
            (
                with_header({"a": {"dtype": kind, "shape": shape, "data_offsets": [0, 20]}}),
                "cannot be",
            )
            for kind, shape in [
                ("F32", [10**300] * 50),
                ("F32", [-1, 5]),
                ("F32", [3]),
                ("F32", [5.0]),
                ("X", [5]),
            ]
        ),
        (safetensors()[:-1], "is cut off"),
        (safetensors(behind=b"x"), "has something behind its tensors"),
    ],
)
def test_weights_that_are_no_safetensors_are_refused(catalogue, brought, weights, sentence):
    with pytest.raises(AdapterUploadError, match=sentence):
        keep_adapter(brought(weights=weights), catalogue)
    assert list(adapters_folder().iterdir()) == []


@pytest.mark.parametrize("name", ["", "one", "a/b/c", "../x/y", "https://example.org/a/b"])
def test_what_is_no_hub_id_is_told(catalogue, name):
    with pytest.raises(AdapterUploadError, match="is no hub id"):
        fetch_adapter(name, catalogue)


def test_being_offline_is_told(catalogue):
    with pytest.raises(AdapterUploadError, match="The hub cannot be reached from here"):
        fetch_adapter("some/adapter", catalogue)


def test_an_adapter_of_another_version_spoils_no_other_and_can_be_deleted(catalogue, brought):
    good, bad = (keep_adapter(brought(), catalogue) for _ in range(2))
    (bad.folder / "about.json").write_text('{"name": "x"')
    assert [found.id for found in list_adapters()] == [good.id]
    with pytest.raises(ExplorerError, match=f"{bad.id}/about.json cannot be read"):
        _ = find_adapter(bad.id).about
    delete_adapter(bad.id)
    with pytest.raises(ExplorerError, match="may have been deleted"):
        delete_adapter(bad.id)
