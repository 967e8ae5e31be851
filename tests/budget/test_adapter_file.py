"""The size of an adapter's file, against the file that is written."""

import json
from pathlib import Path

import pytest
import torch

from explorer.budget.adapter_file import adapter_file_bytes
from explorer.catalogue.catalogue import load_catalogue
from explorer.methods import attach
from tests.budget.meta import build
from tests.budget.stepping import quantized_linear, small, small_budget

# What trains no adapter writes the model.
ELSEWHERE = {"full", "norms-and-biases", "shadow"}
METHODS = [
    m.id for m in load_catalogue().methods.values() if not m.unsupported and m.id not in ELSEWHERE
]


def tensor_bytes(path: Path) -> int:
    """What follows the header of a safetensors file."""
    raw = path.read_bytes()
    header = int.from_bytes(raw[:8], "little")
    assert json.loads(raw[8 : 8 + header])
    return len(raw) - 8 - header


@pytest.mark.filterwarnings("ignore::UserWarning")  # of peft's, about other uses
@pytest.mark.parametrize("method", METHODS)
def test_the_file_has_as_many_bytes_as_was_forecast(method, tmp_path):
    budget = small_budget(small(), method=method, parameter_dtype="bfloat16")
    model = attach(build(small()).to(torch.bfloat16), method, {})
    model.save_pretrained(tmp_path)
    said = adapter_file_bytes(budget.resolved)
    assert said == pytest.approx(tensor_bytes(tmp_path / "adapter_model.safetensors"), abs=32)
    assert budget.to_dict()["trainable"]["adapter_file_bytes"] == said


ALL = {"target_modules": "all-linear"}
HEAD = {"target_modules": "q_proj,lm_head"}
WRITTEN = [
    *((method, HEAD) for method in ("lora", "qlora", "miss", "oft", "hra", "lily", "vera", "osf")),
    ("randlora", {"r": 5} | HEAD),
    ("randlora", ALL),
    ("boft", {"target_modules": "lm_head,v_proj"}),
    ("ia3", {"target_modules": "lm_head,v_proj", "feedforward_modules": "v_proj"}),
    ("lora", {"init_lora_weights": "mica"}),
    ("lora", {"init_lora_weights": "mica", "r": 1}),
    ("lora", {"init_lora_weights": "pissa", "r": 200}),
    ("lora", {"layers_to_transform": "1"} | HEAD),
    ("tinylora", {"r": 200}),
    ("prefix-tuning", {"prefix_projection": True}),
    ("prefix-tuning", {"prefix_projection": True, "encoder_hidden_size": 24}),
    ("cartridge", {"num_frozen_tokens": 4}),
    ("cartridge", {"num_frozen_tokens": 0}),
    ("trainable-tokens", {"token_indices": "3,4,5"}),
    ("glora", {"config_A_B": "vector", "config_C": "vector", "config_D_E": "none"}),
    ("glora", {"config_A_B": "constant", "target_modules": "q_proj"}),
    ("fourierft", {"n_frequency": 9} | HEAD),
    ("deft", {"r": 200, "para": True}),
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("shape", [{}, {"tie_word_embeddings": True, "attention_bias": True}])
@pytest.mark.parametrize(("method", "knobs"), WRITTEN, ids=str)
def test_what_knobs_and_targets_add_to_the_file_is_followed(method, knobs, shape, tmp_path):
    arch = small(num_hidden_layers=2, **shape)
    budget = small_budget(arch, method=method, knobs=knobs, parameter_dtype="bfloat16")
    model = attach(build(arch).to(torch.bfloat16), method, knobs)
    model.save_pretrained(tmp_path)
    written = tensor_bytes(tmp_path / "adapter_model.safetensors")
    assert adapter_file_bytes(budget.resolved) == pytest.approx(written, abs=32)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_a_quantized_head_is_written_as_it_is_held(kind, double, tmp_path):
    values = {"quantization": kind, "double_quantization": double and kind == "nf4"}
    knobs = {"target_modules": "v_proj,lm_head"}
    budget = small_budget(
        small(), method="lora", knobs=knobs, parameter_dtype="bfloat16",
        skipped_modules=("q_proj",), **values,
    )  # fmt: skip
    model = build(small()).to(torch.bfloat16)
    head = quantized_linear(model.lm_head.weight.data, budget.plan)
    model.set_submodule("lm_head", head)
    attach(model, "lora", knobs).save_pretrained(tmp_path)
    written = tensor_bytes(tmp_path / "adapter_model.safetensors")
    assert adapter_file_bytes(budget.resolved) == pytest.approx(written, abs=200)


def test_a_projection_that_makes_the_prefix_is_not_written():
    arch = load_catalogue().model("llama-3.1-8b").architecture
    for knobs in ({}, {"prefix_projection": True}):
        budget = small_budget(arch, method="prefix-tuning", knobs=knobs)
        assert adapter_file_bytes(budget.resolved) == 20 * 32 * 2 * 1024 * 4


@pytest.mark.parametrize(
    ("model", "method", "knobs", "megabytes"),
    [  # peft's comparison, Llama-3.2-3B: files in MiB
        ("llama-3.2-3b", "lora", {"r": 32}, 35.0),
        ("llama-3.2-3b", "adaption-prompt", {"adapter_len": 100, "adapter_layers": 28}, 16.4),
        ("llama-3.2-3b", "ia3", {}, 1.1),
        ("llama-3.2-3b", "vera", {}, 6.5),
    ],
)
def test_published_files_are_as_large_as_forecast(model, method, knobs, megabytes):
    arch = load_catalogue().model(model).architecture
    budget = small_budget(arch, method=method, knobs=knobs, parameter_dtype="bfloat16")
    assert adapter_file_bytes(budget.resolved) / 2**20 == pytest.approx(megabytes, abs=0.06)
