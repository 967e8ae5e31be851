"""Any LLaMA with any method is either forecast or refused in a sentence."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.budget.forecast import forecast, notes_of
from explorer.budget.plan import KV_BYTES, OPTIMIZERS, QUANTIZATIONS, SHARDINGS, make_plan
from explorer.budget.resolve import resolve
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError
from tests.budget.test_params import text_shapes

CATALOGUE = load_catalogue()


@st.composite
def plans(draw):
    method = draw(st.sampled_from(sorted(CATALOGUE.methods)))
    rank = {"r": draw(st.integers(1, 100))} if "r" in CATALOGUE.methods[method].knobs else {}
    sizes = st.integers(1, 300)
    return {
        "model": "any",
        "architecture": Architecture(**draw(text_shapes())),
        "method": method,
        "knobs": rank,
        "quantization": draw(st.sampled_from(QUANTIZATIONS)),
        "optimizer": draw(st.sampled_from(OPTIMIZERS)),
        "sharding": draw(st.sampled_from(SHARDINGS)),
        "mode": draw(st.sampled_from(["training", "inference"])),
        "kv_dtype": draw(st.sampled_from(sorted(KV_BYTES))),
        **{name: draw(sizes) for name in ("batch", "length", "devices", "accumulation")},
        **{name: draw(st.booleans()) for name in ("checkpointing", "padded", "autocast")},
    }


@settings(max_examples=150, deadline=None)
@given(values=plans())
def test_any_plan_is_forecast_or_refused_in_a_sentence(values):
    try:
        budget = forecast(make_plan(**values), CATALOGUE)
    except ExplorerError:
        return  # a sentence; anything else would fail the test
    memory = budget.memory
    assert sum(memory.terms.values()) - memory.not_at_once == memory.total
    assert memory.not_at_once >= 0
    assert all(size >= 0 for size in memory.terms.values())
    assert budget.flops.total > 0
    assert budget.to_dict()["memory"]["total"] == memory.total


@pytest.mark.parametrize(
    ("model", "settings", "note"),
    [
        ("llama-3.1-8b", {"method": "hra", "quantization": "nf4"}, "HRA does not train on a base"),
        ("llama-3.1-8b", {"method": "hra", "quantization": "int8"}, "HRA does not train on a base"),
        ("llama-4-scout-17b-16e", {"method": "llama-adapter-v2"}, "does not run on llama4: it"),
        ("llama-3.2-11b-vision", {"method": "llama-excitor"}, "does not run on mllama: its"),
        ("llama-3.1-8b", {"method": "poly"}, "does not run on a causal LLaMA"),
    ],
)
def test_what_could_not_be_run_says_so_first(model, settings, note):
    told = notes_of(resolve(make_plan(model=model, **settings), CATALOGUE))
    assert note in told[0]


def test_what_runs_has_no_such_note():
    for quantization in ("none", "int8", "nf4"):
        plan = make_plan(model="llama-3.1-8b", method="lora", quantization=quantization)
        assert not any("does not" in note for note in notes_of(resolve(plan, CATALOGUE)))


@pytest.mark.parametrize(("held", "computed", "told"), [
    ("float32", "bfloat16", True), ("float32", "float32", False), ("bfloat16", "bfloat16", False),
])  # fmt: skip
def test_autocast_over_float32_weights_is_told(held, computed, told):
    plan = make_plan(
        model="llama-3.1-8b", autocast=True, parameter_dtype=held, compute_dtype=computed
    )
    notes = notes_of(resolve(plan, CATALOGUE))
    assert any("Autocast over float32" in note for note in notes) == told
