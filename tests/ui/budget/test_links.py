"""A plan as a link: everything in the form comes back from it."""

import pytest

from explorer.catalogue.errors import ExplorerError
from explorer.ui.budget.links import MOST_PINS, href
from tests.ui.budget.form import CONFIG, case, lines, values

CHANGED = {
    "mode": "inference",
    "model": "llama-2-7b",
    "method": "qlora",
    "r": 16,
    "targets": ["q_proj", "v_proj"],
    "quantization": "nf4",
    "double_quantization": True,
    "batch": 3,
    "length": 4096,
    "checkpointing": "true",
    "hardware": "rtx-4090",
    "config": CONFIG,
    "optimizer": "lion",
    "optimizer_dtype": "float32",
    "master_weights": True,
    "accumulation": 4,
    "tokens": 5_000_000,
    "loss_positions": "128",
    "loss_chunk": 1024,
    "loss_float32": False,
    "prompt": "100",
    "kv_dtype": "int8",
    "parameter_dtype": "float16",
    "compute_dtype": "float32",
    "adapter_dtype": "bfloat16",
    "quantization_block": "128",
    "skipped_modules": "lm_head,q_proj",
    "attention": "eager",
    "padded": True,
    "autocast": True,
    "devices": 8,
    "sharding": "fsdp",
    "interconnect": "64.0",
    "efficiency": "0.35",
    "price_per_hour": "1.25",
    "grid_intensity": 0.03,
    "knobs": "use_dora=true",
}


def test_every_input_of_the_form_is_tried_here():
    assert set(CHANGED) == set(lines().inputs)


@pytest.mark.parametrize("name", CHANGED)
def test_each_input_comes_back_from_its_link(name):
    assert CHANGED[name] != lines().usual[name]
    line = lines().write(lines().usual, **{name: CHANGED[name]})
    assert line.startswith(f"{name}=")
    assert lines().read(line) == lines().usual | {name: CHANGED[name]}


def test_all_of_them_come_back_together_and_the_usual_plan_needs_no_words():
    line = lines().write(CHANGED)
    assert lines().read(href(line)) == CHANGED
    assert lines().write(lines().usual) == ""
    assert href("") == "?tab=budget"


def test_a_link_with_a_wrong_name_or_value_is_told():
    with pytest.raises(ExplorerError, match="Did you mean 'method'"):
        lines().read("metod=lora")
    with pytest.raises(ExplorerError, match="between 0 and 512"):
        lines().read("r=5000")


def test_no_more_plans_are_pinned_than_can_be_compared():
    assert lines().pins("a=1\n\n b=2 \n") == ["a=1", "b=2"]
    with pytest.raises(ExplorerError, match=f"{MOST_PINS} at most"):
        lines().pins("\n".join("abcde"))


def test_a_link_in_a_card_changes_only_what_it_says():
    html = case(r=16).link("larger", batch=4)
    assert 'href="?tab=budget&amp;r=16&amp;batch=4"' in html
    assert lines().read("r=16&batch=4") == dict(
        zip(lines().inputs, values(r=16, batch=4), strict=True)
    )
