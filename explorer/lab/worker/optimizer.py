"""AdamW for what trains: fused, and over float32 copies where the weights are 16-bit."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from explorer.lab.worker.sharing import local

HALF = (torch.bfloat16, torch.float16)


def adamw(parameters: Sequence[nn.Parameter], weight_decay: float) -> torch.optim.Optimizer:
    """The optimizer of a run; its learning rate is set before every step."""
    if any(parameter.dtype in HALF for parameter in parameters):
        return MasterAdamW(parameters, weight_decay)
    return torch.optim.AdamW(parameters, lr=0.0, weight_decay=weight_decay, fused=True)


class MasterAdamW(torch.optim.Optimizer):
    """AdamW over 16-bit weights by way of float32 masters (Micikevicius et al. 2018, section 3.1).

    A step of bfloat16 weights that is smaller than 1/256 of a weight would be rounded away; the
    masters keep it. Tensors are stepped one after another, so that only one gradient at a time is
    widened to float32.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], weight_decay: float) -> None:
        super().__init__(parameters, {"lr": 0.0})
        self.inner: list[tuple[nn.Parameter, nn.Parameter, torch.optim.AdamW]] = []
        for parameter in parameters:
            master = nn.Parameter(parameter.detach().to(torch.float32, copy=True))
            step = torch.optim.AdamW([master], lr=0.0, weight_decay=weight_decay, fused=True)
            self.inner.append((parameter, master, step))

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """One step of every master that has a gradient, rounded into its weight."""
        assert closure is None  # the loop computes gradients itself
        rate = self.param_groups[0]["lr"]
        for parameter, master, inner in self.inner:
            if parameter.grad is None:
                continue
            inner.param_groups[0]["lr"] = rate
            master.grad = parameter.grad.to(torch.float32)
            inner.step()
            master.grad = None
            parameter.copy_(master)


def held_bytes(optimizer: torch.optim.Optimizer) -> tuple[int, int]:
    """Bytes of an optimizer's state, and of its float32 masters."""
    plain = getattr(optimizer, "optimizer", optimizer)  # what accelerate has wrapped
    if not isinstance(plain, MasterAdamW):
        return _state_bytes(plain), 0
    masters = sum(local(master).nbytes for _, master, _ in plain.inner)
    return sum(_state_bytes(inner) for _, _, inner in plain.inner), masters


def _state_bytes(optimizer: torch.optim.Optimizer) -> int:
    values: list[Any] = [value for held in optimizer.state.values() for value in held.values()]
    return sum(local(value).nbytes for value in values if isinstance(value, Tensor))
