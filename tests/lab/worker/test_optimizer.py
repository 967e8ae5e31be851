import pytest
import torch
from torch import nn

from explorer.lab.worker.optimizer import adamw, held_bytes


def parameters(dtype):
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(shape).to(dtype)) for shape in ((8, 4), (16,))]


def walk(weights, rate, steps=50):
    optimizer = adamw(weights, 0.0)
    for _ in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate
        for weight in weights:
            weight.grad = torch.ones_like(weight)
        optimizer.step()
        optimizer.zero_grad()
    return optimizer


def test_steps_too_small_for_sixteen_bits_add_up_in_the_masters():
    """Fifty steps of 1e-4 move every weight by 5e-3, though 1 - 1e-4 is 1 in bfloat16."""
    half, exact = parameters(torch.bfloat16), parameters(torch.bfloat16)
    exact = [nn.Parameter(weight.detach().float()) for weight in exact]
    begun = [weight.detach().clone() for weight in exact]
    walk(half, 1e-4)
    walk(exact, 1e-4)
    for rounded, wanted, first in zip(half, exact, begun, strict=True):
        assert (first - wanted).min().item() == pytest.approx(5e-3, rel=1e-2)
        assert torch.equal(rounded, wanted.bfloat16())


def test_float32_weights_are_their_own_masters():
    optimizer = walk(parameters(torch.float32), 1e-3, steps=1)
    assert type(optimizer) is torch.optim.AdamW
    assert held_bytes(optimizer) == (2 * 48 * 4 + 2 * 4, 0)


def test_bytes_are_two_moments_and_a_master_in_float32():
    optimizer = walk(parameters(torch.bfloat16), 1e-3, steps=1)
    assert held_bytes(optimizer) == (2 * 48 * 4 + 2 * 4, 48 * 4)


def test_a_weight_without_a_gradient_stays():
    weights = parameters(torch.bfloat16)
    before = weights[1].detach().clone()
    optimizer = adamw(weights, 0.0)
    optimizer.param_groups[0]["lr"] = 0.1
    weights[0].grad = torch.ones_like(weights[0])
    optimizer.step()
    assert torch.equal(weights[1], before)
