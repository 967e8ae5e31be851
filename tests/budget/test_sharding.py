"""Several devices: what each holds, against torch's FSDP2, and never more with more of them."""

from itertools import pairwise

import pytest

from explorer.budget.forecast import forecast
from explorer.budget.plan import make_plan
from explorer.catalogue.catalogue import load_catalogue
from tests.budget.sharding import sharded_peak
from tests.budget.stepping import llama_4, small, small_budget

CATALOGUE = load_catalogue()
SHARDINGS = ("ddp", "zero-1", "zero-2", "zero-3", "fsdp")
METHODS = ("full", "lora", "llama-adapter-v1", "norms-and-biases", "prompt-tuning", "lokr")
REAL = [
    {"devices": 4, "layers": 6},
    {"devices": 4, "layers": 8, "accumulation": 2},
    {"devices": 8, "layers": 6, "batch": 4},
    {"devices": 8, "layers": 10, "batch": 2, "checkpointing": True},
    {"devices": 2, "layers": 6, "batch": 2, "tied": True},
    {"devices": 4, "layers": 4, "vocabulary": 8192},
    {"devices": 4, "layers": 4, "vocabulary": 8192, "tied": True},
    {"devices": 4, "layers": 4, "vocabulary": 8192, "accumulation": 2},
    {"devices": 4, "layers": 4, "vocabulary": 8192, "batch": 8},
    {"devices": 4, "layers": 8, "method": "lora", "batch": 8},
    {"devices": 4, "layers": 8, "method": "lora"},
    {"devices": 4, "layers": 8, "method": "lora", "checkpointing": True, "batch": 4},
    {"devices": 4, "layers": 8, "method": "llama-adapter-v1", "batch": 4},
    {"devices": 4, "layers": 6, "method": "lora", "knobs": {"r": 64}, "length": 64},
    {
        "devices": 4,
        "layers": 6,
        "method": "lora",
        "knobs": {"r": 128, "target_modules": "all-linear"},
        "length": 64,
    },
    {"devices": 4, "layers": 6, "method": "norms-and-biases", "batch": 2},
    {"devices": 4, "layers": 6, "method": "llama-adapter-v2", "batch": 2},
]


@pytest.mark.parametrize("case", REAL, ids=str)
def test_a_device_holds_what_it_does_under_fsdp(case):
    layers, tied = case["layers"], case.get("tied", False)
    vocabulary = case.get("vocabulary", 1024)
    arch = small(num_hidden_layers=layers, vocab_size=vocabulary, tie_word_embeddings=tied)
    values = {k: case[k] for k in case if k not in ("layers", "tied", "vocabulary")}
    budget = small_budget(
        arch,
        sharding="fsdp",
        parameter_dtype="float32",
        compute_dtype="float32",
        **({"method": "full", "batch": 1, "length": 32} | values),
    )
    terms = budget.memory.terms
    besides = budget.memory.allocated - sum(terms[k] for k in ("weights", "adapter", "optimizer"))
    assert besides == pytest.approx(sharded_peak(budget), rel=0.03), besides


@pytest.mark.parametrize("accumulation", [1, 2])
def test_experts_are_gathered_and_scattered_with_their_layer(accumulation):
    arch = llama_4().model_copy(update={"num_hidden_layers": 6, "moe_layers": (0, 2, 3, 4, 5)})
    values = {"parameter_dtype": "float32", "compute_dtype": "float32", "length": 64}
    values |= {"method": "full", "sharding": "fsdp", "devices": 4, "accumulation": accumulation}
    budget = small_budget(arch, **values)
    terms = budget.memory.terms
    besides = budget.memory.allocated - terms["weights"] - terms["optimizer"]
    assert besides == pytest.approx(sharded_peak(budget), rel=0.03)


def total(method, **values):
    settings = {"model": "llama-3.2-3b", "method": method, "length": 256}
    return forecast(make_plan(**(settings | values)), CATALOGUE).memory.total


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("sharding", SHARDINGS)
@pytest.mark.parametrize("method", METHODS)
def test_accumulating_never_needs_less_and_devices_never_need_more(method, sharding, checkpointing):
    devices = (2, 3, 4, 16, 100)
    found = {
        (count, times): total(
            method,
            devices=count,
            sharding=sharding,
            accumulation=times,
            checkpointing=checkpointing,
        )
        for count in devices
        for times in (1, 2, 8)
    }
    for count in devices:
        assert found[count, 1] <= found[count, 2] == found[count, 8]
    for fewer, more in pairwise(devices):
        for times in (1, 2):
            assert found[more, times] <= found[fewer, times]


def test_sharding_more_never_needs_more():
    whole = [total("full", devices=8, sharding=kind) for kind in SHARDINGS]
    assert whole == sorted(whole, reverse=True)


def test_a_70b_trains_whole_on_sixteen_h100s_without_accumulating():
    plan = make_plan(
        model="llama-3.1-70b",
        method="full",
        sharding="fsdp",
        devices=16,
        checkpointing=True,
        hardware="h100-sxm",
    )
    memory = forecast(plan, CATALOGUE).memory
    shards = 4 * 2 * 70_553_706_496 / 16  # weights, gradients and two states, two bytes each
    layer = 2 * 855_654_400
    ends = 2 * 2 * 128_256 * 8192
    gathered = 2 * layer + ends
    scattered = 2 * layer + ends
    assert memory.terms["communication"] == pytest.approx(gathered, rel=1e-4)
    assert memory.terms["whole_gradients"] == pytest.approx(scattered, rel=1e-4)
    assert shards < memory.allocated < 1.1 * (shards + gathered + scattered)
