"""The arithmetic that is shown is the arithmetic that was done."""

import re

import pytest

from explorer.budget.explain import explain, saved_tensors
from explorer.budget.forecast import forecast
from explorer.budget.plan import OPTIMIZERS, make_plan
from explorer.catalogue.catalogue import load_catalogue

CATALOGUE = load_catalogue()
PLANS = [
    {},
    {"method": "full", "checkpointing": True, "master_weights": True},
    {"quantization": "nf4", "double_quantization": True, "loss_chunk": 256},
    {"quantization": "fp4", "quantization_block": 256, "method": "llama-excitor"},
    {"quantization": "int8", "method": "llama-adapter-v1", "devices": 4, "sharding": "ddp"},
    {"method": "full", "devices": 4, "sharding": "fsdp"},
    {"method": "lora", "devices": 4, "sharding": "zero-3", "knobs": {"r": 64}},
    {"method": "llama-adapter-v2", "devices": 3, "sharding": "zero-2"},
    {"mode": "inference", "quantization": "gguf-q4_k_m", "kv_dtype": "int8"},
    {"mode": "inference", "model": "llama-4-scout-17b-16e", "length": 20_000, "batch": 2},
    {"loss_positions": 100, "padded": True, "batch": 2},
    *({"optimizer": optimizer} for optimizer in OPTIMIZERS),
]


def budget_of(**values):
    return forecast(make_plan(**({"model": "llama-3.2-1b"} | values)), CATALOGUE)


def value_of(text):
    """What a formula with its numbers filled in comes to; names in brackets are left out."""
    numbers = re.sub(r"\([^()\d]*[a-z][^()]*\)", "", text).replace(",", "").replace("·", "*")
    assert re.fullmatch(r"[\d.+\-*/() ]+", numbers), text
    return eval(numbers)  # digits and signs only


@pytest.mark.parametrize("values", PLANS, ids=str)
def test_every_formula_filled_in_comes_to_its_bytes(values):
    budget = budget_of(**values)
    told = explain(budget)
    for one in told:
        assert value_of(one.filled) == pytest.approx(one.bytes, abs=1), one.term
        assert one.meaning
        assert one.formula
    assert sum(one.bytes for one in told) == budget.memory.total


def test_terms_that_are_zero_are_left_out():
    terms = {one.term for one in explain(budget_of(optimizer="sgd"))}
    assert "optimizer" not in terms
    assert {"weights", "adapter", "activations", "framework"} <= terms


def test_what_a_layer_keeps_is_told_tensor_by_tensor():
    budget = budget_of(method="lora", knobs={"layers_to_transform": "14,15"})
    rows = saved_tensors(budget)
    assert {row["layers"] for row in rows} == {"14", "15"}
    assert sum(row["bytes"] for row in rows) == sum(
        r.kept * r.count for r in budget.memory.step.runs
    )
    assert saved_tensors(budget_of(mode="inference")) == []
