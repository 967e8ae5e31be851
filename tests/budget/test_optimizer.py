"""What optimizers keep, against the states that torch and bitsandbytes make."""

import bitsandbytes as bnb
import pytest
import torch

from explorer.budget.memory import trained_size
from explorer.budget.optimizer import optimizer_bytes, state_formula
from explorer.budget.plan import OPTIMIZERS
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
@pytest.mark.parametrize("name", REAL)
def test_states_weigh_what_torch_makes(name, arch, method):
    case = {"method": method, "optimizer": name, "length": 8, "batch": 1}
    budget = small_budget(arch, parameter_dtype="float32", **case)
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


@pytest.mark.parametrize("numbers", [65_536, 4096 * 300])
def test_8_bit_states_weigh_what_bitsandbytes_makes(numbers):
    weight = torch.nn.Parameter(torch.zeros(numbers))
    weight.grad = torch.ones_like(weight)
    optimizer = bnb.optim.AdamW8bit([weight])
    optimizer.init_state(optimizer.param_groups[0], weight, 0, 0)
    state = optimizer.state[weight]
    held = sum(state[key].nbytes for key in ("state1", "state2", "absmax1", "absmax2"))
    budget = small_budget(small(), optimizer="adamw-8bit", method="lora")
    size = trained_size(budget.resolved)
    share = optimizer_bytes(budget.resolved, size) / budget.resolved.trainable.total
    assert share * numbers == pytest.approx(held, rel=1e-4)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_tells_how_its_states_come_about(name):
    plan = small_budget(small(), optimizer=name).plan
    assert state_formula(plan, 4)


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
