"""From form to plan: the recipe's own values, text fields, and sentences for nonsense."""

import pytest

from explorer.budget.forecast import forecast
from explorer.catalogue.errors import ExplorerError
from explorer.ui.budget.answer import answer
from explorer.ui.budget.config_file import taken
from explorer.ui.budget.reading import form_values, read_plan
from tests.ui.budget.form import CATALOGUE, CONFIG, case


def read(**given):
    return read_plan(CATALOGUE, {"model": "llama-3.1-8b"} | given)


def test_a_recipe_holds_until_something_else_is_asked_for():
    plan = read(method="qlora")
    assert (plan.quantization, plan.double_quantization) == ("nf4", True)
    assert (plan.optimizer, plan.checkpointing) == ("paged-adamw-8bit", True)
    assert case(method="qlora").plan == plan, "the form's unticked box is no wish"
    plan = read(method="qlora", quantization="int8", optimizer="adamw", checkpointing="false")
    assert (plan.quantization, plan.double_quantization) == ("int8", False)
    assert (plan.optimizer, plan.checkpointing) == ("adamw", False)
    assert not read(method="qlora", quantization="nf4").double_quantization
    assert read(method="qlora", mode="inference", double_quantization=False).double_quantization


def test_paged_memory_is_not_asked_of_a_device_without_it():
    assert not read(method="qlora", hardware="apple-m1-max-64gb").optimizer.startswith("paged")


def test_what_shards_training_is_left_out_when_the_model_is_only_run():
    sharded = {"devices": 8, "sharding": "fsdp"}
    assert read(**sharded).sharding == "fsdp"
    running = case(mode="inference", **sharded)
    assert (running.plan.devices, running.plan.sharding) == (8, "none")
    assert "8 devices, a copy on each" in answer(running)
    assert "none of them sooner" in answer(running)


def test_rank_and_targets_go_to_the_methods_that_have_them():
    assert read(r=16, targets=["q_proj"]).knobs == {"r": 16, "target_modules": ("q_proj",)}
    assert read(r=16, targets=["all-linear"]).knobs["target_modules"] == "all-linear"
    assert read(method="llama-adapter-v1", r=16, targets=["q_proj"]).knobs == {}
    assert read(knobs="use_dora=true; ia3.x=1; lora.r=4").knobs == {"use_dora": "true", "r": "4"}


def test_a_config_stands_in_for_the_model():
    assert case(config=CONFIG).budget.resolved.arch.num_hidden_layers == 2
    assert case(config=CONFIG).model_name == "Your config"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"batch": None}, "Batch .* is empty"),
        ({"batch": 0}, "batch = 0: it takes"),
        ({"batch": float("nan")}, "batch = nan"),
        ({"price_per_hour": -1.0}, "price_per_hour = -1.0: it takes a number from 0"),
        ({"checkpointing": "maybe"}, "checkpointing = maybe: it takes"),
        ({"batch": True}, "batch = True: it takes a whole number"),
        ({"efficiency": 1.5}, "efficiency = 1.5: it takes a number above 0 to 1"),
        ({"quantization": "gguf-q4_k_m"}, "GGUF weights run and do not train"),
        ({"method": "full", "quantization": "nf4"}, "quantized ones do not train"),
        ({"sharding": "fsdp"}, "more than one device"),
        ({"loss_positions": 4096}, "more than length"),
        ({"knobs": "use_doar=true"}, "use_dora"),
        ({"knobs": "r"}, "is no setting"),
        ({"skipped": "x"}, "skipped_modules"),
        ({"hardware": "rtx-409"}, "rtx-4090"),
        ({"config": "{"}, "not valid JSON"),
        ({"config": "[]"}, "JSON object"),
        ({"config": "[" * 100_000}, "not valid JSON"),
        ({"config": CONFIG.replace("64", "NaN")}, "NaN"),
        ({"config": CONFIG.replace("64", "66")}, "num_attention_heads|hidden_size"),
        (
            {"config": CONFIG.replace('"num_hidden_layers": 2', '"num_hidden_layers": 0')},
            "num_hidden_layers",
        ),
        ({"config": CONFIG.replace('"llama"', '"gpt2"')}, "counts LLaMAs only"),
        ({"config": "x" * 1_000_001}, "at most 1,000,000"),
    ],
)
def test_nonsense_gets_a_sentence(given, words):
    with pytest.raises(ExplorerError, match=words):
        forecast(read(**given), CATALOGUE)


def test_a_change_of_a_plan_is_a_change_of_the_form():
    changed = form_values({"checkpointing": True, "knobs": {"r": 4, "use_dora": True}, "batch": 1})
    assert changed == {
        "checkpointing": "true",
        "batch": 1,
        "r": 4,
        "targets": [],
        "knobs": "use_dora=true",
    }


class Opened:
    """The event of a file that was opened in the browser."""

    def __init__(self, text, size):
        self.text, self.size = text, size


def test_a_file_fills_the_config_in_unless_it_is_too_long():
    assert taken(Opened(CONFIG, len(CONFIG))) == CONFIG
    with pytest.raises(Exception, match="at most 1,000,000"):
        taken(Opened("", 200_000_000))
    with pytest.raises(Exception, match="a link carries 20,000"):
        taken(Opened("x" * 30_000, 30_000))
