"""What optimizers keep, against the states that torch and bitsandbytes make."""

import bitsandbytes as bnb
import pytest
import torch

from explorer.budget.explain import explain
from explorer.budget.forecast import forecast
from explorer.budget.memory import trained_size
from explorer.budget.optimizer import trained_tensors
from explorer.budget.plan import OPTIMIZERS, make_plan
from explorer.catalogue.catalogue import load_catalogue
from tests.budget.stepping import llama_4, small, small_budget, step_of
from tests.budget.tracing import storages

REAL = {
    "adamw": lambda trained: torch.optim.AdamW(trained, lr=1e-3),
    "sgd": lambda trained: torch.optim.SGD(trained, lr=1e-3),
    "momentum": lambda trained: torch.optim.SGD(trained, lr=1e-3, momentum=0.9),
    "adafactor": lambda trained: torch.optim.Adafactor(trained, lr=1e-3),
}


@pytest.mark.parametrize(
    ("arch", "method"), [(small(), "lora"), (small(), "full"), (llama_4(), "full")], ids=str
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", REAL)
def test_states_weigh_what_torch_makes(name, dtype, arch, method):
    case = {"method": method, "optimizer": name, "length": 8, "batch": 1}
    budget = small_budget(arch, parameter_dtype=dtype, compute_dtype=dtype, **case)
    step = step_of(budget)
    trained = [p for p in step.model.parameters() if p.requires_grad]
    optimizer = REAL[name](trained)
    step.forward().backward()
    optimizer.step()
    kept = [
        value
        for state in optimizer.state.values()
        for key, value in state.items()
        if isinstance(value, torch.Tensor) and key != "step"
    ]
    assert budget.memory.terms["optimizer"] == pytest.approx(
        sum(storages(kept).values()), rel=0.001
    )


def bitsandbytes_states(optimizer):
    """Bytes of the states that bitsandbytes makes of its parameters, its tables left out."""
    held = 0
    for index, weight in enumerate(optimizer.param_groups[0]["params"]):
        optimizer.init_state(optimizer.param_groups[0], weight, 0, index)
        state = optimizer.state[weight]
        names = ("state1", "state2", "absmax1", "absmax2")
        held += sum(state[name].nbytes for name in names if name in state)
    return held


METHODS = load_catalogue().methods.values()
TRAINABLE = [method.id for method in METHODS if not method.unsupported]
# Its clusters come out of the weights, so that no two runs have tensors of the same sizes; and
# Shadow's network is counted as one tensor.
UNSIZED = {"adamss", "shadow"}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("method", [name for name in TRAINABLE if name not in UNSIZED])
def test_8_bit_states_weigh_what_bitsandbytes_makes_of_the_trained_tensors(method):
    budget = small_budget(small(), optimizer="adamw-8bit", method=method, parameter_dtype="float32")
    trained = [p for p in step_of(budget).model.parameters() if p.requires_grad]
    held = bitsandbytes_states(bnb.optim.AdamW8bit(trained))
    assert budget.memory.terms["optimizer"] == held


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_lions_states_weigh_what_bitsandbytes_makes(method, dtype):
    budget = small_budget(small(), optimizer="lion", method=method, parameter_dtype=dtype)
    trained = [p for p in step_of(budget).model.parameters() if p.requires_grad]
    assert budget.memory.terms["optimizer"] == bitsandbytes_states(bnb.optim.Lion(trained))


@pytest.mark.parametrize("numbers", [1, 4095, 4096, 4097, 65_536, 4096 * 300 + 1])
def test_a_tensor_is_rounded_from_4096_numbers_on(numbers):
    weight = torch.nn.Parameter(torch.zeros(numbers))
    knobs = {"theta_d_length": numbers}  # one vector for the whole model
    budget = small_budget(small(), optimizer="adamw-8bit", method="unilora", knobs=knobs)
    assert budget.resolved.trainable.total == numbers
    held = bitsandbytes_states(bnb.optim.AdamW8bit([weight]))
    assert budget.memory.terms["optimizer"] == held


# 16 layers; beft trains a vector of 512 numbers in each, LoRA of rank 1 matrices of 512 and 2048
@pytest.mark.parametrize(
    ("method", "knobs", "held"), [("beft", {}, 65_536), ("lora", {"r": 1}, 851_968)]
)
def test_small_tensors_have_whole_states(method, knobs, held):
    plan = make_plan(model="llama-3.2-1b", method=method, knobs=knobs, optimizer="adamw-8bit")
    assert forecast(plan).memory.terms["optimizer"] == held


def test_trained_tensors_are_all_that_trains():
    for method in TRAINABLE:
        budget = small_budget(llama_4(), method=method) if method == "full" else small_budget(
            small(), method=method)  # fmt: skip
        size = trained_size(budget.resolved)
        found = trained_tensors(budget.resolved, size, budget.memory.step)
        total = sum(numbers * count for numbers, count in found.items())
        assert total == budget.resolved.trainable.total, method


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_tells_how_its_states_come_about(name):
    budget = small_budget(small(), optimizer=name)
    told = {one.term: one for one in explain(budget)}
    assert name == "sgd" or told["optimizer"].formula


def test_float32_copies_and_paged_states_are_float32():
    bf16 = {"method": "full", "parameter_dtype": "bfloat16"}
    half = small_budget(small(), **bf16).memory.terms
    assert half["optimizer"] == 2 * half["gradients"]
    for option in ({"master_weights": True}, {"optimizer": "paged-adamw"}):
        assert small_budget(small(), **bf16, **option).memory.terms["optimizer"] == (
            2 * half["optimizer"]
        )
    wide = small_budget(small(), **bf16, optimizer_dtype="float32").memory.terms
    assert wide["optimizer"] == 2 * half["optimizer"]
