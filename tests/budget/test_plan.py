"""A plan refuses what cannot be, in a sentence that names the setting and what it takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.budget.forecast import forecast
from explorer.budget.plan import Plan, changed, make_plan
from explorer.budget.resolve import recipe_values, resolve
from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError

CATALOGUE = load_catalogue()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"batch": 0}, "batch = 0: it takes a whole number from 1 to 1,000,000."),
        ({"batch": float("nan")}, "batch = nan: it takes a whole number from 1 to 1,000,000."),
        ({"price_per_hour": -1}, "price_per_hour = -1: it takes a number from 0 to 1,000,000."),
        ({"price_per_hour": float("inf")}, "price_per_hour = inf: it takes a number from 0"),
        ({"model": ["a"]}, "model = ['a']: it takes a text"),
        ({"autocast": "perhaps"}, "autocast = perhaps: it takes true or false"),
        ({"knobs": 5}, "knobs = 5: it takes an object"),
        ({"skipped_modules": 5}, "skipped_modules = 5: it takes a list"),
        ({"efficiency": 0}, "efficiency = 0: it takes a number above 0 to 1."),
        ({"mode": "dream"}, "mode = dream: it takes 'training' or 'inference'."),
        ({"prompt": 9, "length": 8}, "prompt = 9 is more than length = 8."),
        ({"loss_positions": 9, "length": 8}, "loss_positions = 9 is more than length = 8."),
        ({"quantization_block": 100}, "quantization_block = 100: it takes 32, 64, 128"),
        ({"double_quantization": True}, "double_quantization needs quantization nf4 or fp4."),
        ({"quantization": "gguf-q8_0"}, "GGUF weights run and do not train"),
        ({"sharding": "zero-3"}, "sharding = zero-3 needs more than one device."),
        ({"kv_dtype": "int5"}, "There is no KV dtype 'int5'. Did you mean 'int8'?"),
        ({"batches": 3}, "There is no plan setting 'batches'. Did you mean 'batch'?"),
        ({"batch": 0, "length": 0}, "; length = 0: it takes"),
    ],
)
def test_nonsense_is_refused(values, sentence):
    with pytest.raises(ExplorerError) as refused:
        make_plan(**({"model": "llama-3.1-8b"} | values))
    assert sentence in str(refused.value)


@given(
    name=st.sampled_from(sorted(set(Plan.model_fields) - {"model", "architecture", "knobs"})),
    value=st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5), st.booleans()),
)
def test_any_value_is_taken_or_refused_in_a_sentence(name, value):
    refusal = None
    try:
        plan = make_plan(model="llama-3.2-1b", **{name: value})
        assert forecast(plan, CATALOGUE).memory.total > 0
    except ExplorerError as error:
        refusal = str(error)
    assert refusal is None or refusal.endswith((".", "?"))


def test_a_change_is_checked_again():
    plan = make_plan(model="llama-3.1-8b", length=64)
    assert changed(plan, length=32).length == 32
    with pytest.raises(ExplorerError, match="loss_positions = 65"):
        changed(plan, loss_positions=65)


def test_a_recipe_is_what_qlora_asks_for_beside_its_adapter():
    gpu = CATALOGUE.device("rtx-4090")
    values = recipe_values(CATALOGUE.method("qlora"), gpu)
    plan = make_plan(model="llama-3.1-8b", method="qlora", **values)
    assert (plan.quantization, plan.double_quantization, plan.checkpointing) == ("nf4", True, True)
    assert plan.optimizer == "paged-adamw-8bit"
    assert recipe_values(CATALOGUE.method("lora"), gpu) == {}


@pytest.mark.parametrize("device", CATALOGUE.hardware)
def test_a_recipe_pages_its_optimizer_where_there_is_cuda(device):
    hardware = CATALOGUE.device(device)
    values = recipe_values(CATALOGUE.method("qlora"), hardware)
    usual = "adamw" if hardware.kind in ("cpu", "apple") else "paged-adamw-8bit"
    assert values["optimizer"] == usual
    held = recipe_values(CATALOGUE.method("qlora"), hardware, "inference")
    assert held == {"quantization": "nf4", "double_quantization": True}


def test_names_are_looked_up_with_the_nearest_one():
    for values, near in (
        ({"model": "llama-3.1-8"}, "llama-3.1-8b"),
        ({"method": "llama-adapter"}, "llama-adapter-v"),
        ({"hardware": "a100"}, "a10"),
    ):
        with pytest.raises(ExplorerError, match=f"Did you mean '{near}"):
            resolve(make_plan(**({"model": "llama-3.1-8b"} | values)), CATALOGUE)
