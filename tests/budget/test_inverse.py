"""The questions turned round, each answer checked from both sides."""

import pytest

from explorer.budget.inverse import (
    fits,
    largest_batch,
    largest_model,
    largest_rank,
    longest_sequence,
    smallest_device,
)
from explorer.budget.matrix import known_models
from explorer.budget.params import count_parameters
from explorer.budget.plan import make_plan
from explorer.catalogue.catalogue import load_catalogue

CATALOGUE = load_catalogue()


def plan_of(**values):
    return make_plan(**({"model": "llama-3.1-8b", "hardware": "rtx-4090"} | values))


@pytest.mark.parametrize(
    "values",
    [
        {"quantization": "nf4", "double_quantization": True, "checkpointing": True},
        {"mode": "inference", "quantization": "int8", "length": 512},
        {"model": "llama-3.2-1b", "method": "full", "optimizer": "adamw-8bit", "length": 256},
    ],
)
def test_one_sequence_more_does_not_fit(values):
    plan = plan_of(**values)
    batch = largest_batch(plan, CATALOGUE)
    assert batch >= 1
    assert fits(plan.with_values(batch=batch), CATALOGUE)
    assert not fits(plan.with_values(batch=batch + 1), CATALOGUE)


@pytest.mark.parametrize(
    "values",
    [
        {"quantization": "nf4", "checkpointing": True},
        {"mode": "inference", "length": 100},
        {"quantization": "nf4", "loss_positions": 64, "length": 128},
    ],
)
def test_a_sequence_a_little_longer_does_not_fit(values):
    plan = plan_of(**values)
    length = longest_sequence(plan, CATALOGUE)
    assert fits(plan.with_values(length=length), CATALOGUE)
    assert not fits(plan.with_values(length=int(length * 1.001) + 2), CATALOGUE)


def test_what_does_not_fit_at_all_is_zero():
    plan = plan_of(model="llama-3.1-70b", method="full")
    assert largest_batch(plan, CATALOGUE) == 0
    assert longest_sequence(plan, CATALOGUE) == 0
    assert smallest_device(plan.with_values(model="llama-3.1-405b"), CATALOGUE) is None


def test_the_highest_rank_that_fits():
    plan = plan_of(length=512, checkpointing=True, knobs={"target_modules": "q_proj,down_proj"})
    rank = largest_rank(plan, CATALOGUE)
    assert 8 < rank < 4096
    assert not fits(plan.with_values(knobs={**plan.knobs, "r": rank + 1}), CATALOGUE)
    assert largest_rank(plan_of(method="ia3"), CATALOGUE) is None


def test_qlora_at_4k_on_24_gib():
    plan = plan_of(
        method="qlora", quantization="nf4", double_quantization=True, checkpointing=True,
        optimizer="paged-adamw-8bit", length=4096,
    )  # fmt: skip
    best = largest_model(plan, CATALOGUE)
    size = count_parameters(CATALOGUE.model(best).architecture).total
    assert size > 12e9  # the 13B models fit, the 33B ones do not
    for model in known_models(CATALOGUE):
        if count_parameters(CATALOGUE.model(model).architecture).total > size:
            bigger = plan.with_values(model=model)
            assert not fits(bigger, CATALOGUE), model


def test_the_smallest_device_is_one_of_the_same_sort():
    plan = plan_of(quantization="nf4", checkpointing=True)
    found = CATALOGUE.device(smallest_device(plan, CATALOGUE))
    assert found.kind not in ("cpu", "apple")
    for device in CATALOGUE.hardware.values():
        if device.kind in ("consumer", "workstation", "data centre"):
            less = device.memory_bytes.value < found.memory_bytes.value
            assert not (less and fits(plan.with_values(hardware=device.id), CATALOGUE))
    apple = smallest_device(plan.with_values(hardware="apple-m4-max-128gb"), CATALOGUE)
    assert CATALOGUE.device(apple).kind == "apple"
