"""A step under torch's FSDP2 as one of several devices sees it, the others only pretended."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.testing._internal.distributed.fake_pg import FakeStore
from transformers.modeling_layers import GradientCheckpointingLayer

from explorer.budget.forecast import Budget
from tests.budget.stepping import step_of
from tests.budget.tracing import timeline


@contextmanager
def pretended(devices: int) -> Iterator[None]:
    """A process group in which collectives return at once, with buffers of their true sizes."""
    distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=devices)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def sharded_peak(budget: Budget) -> int:
    """The most that a step holds on one device beside its shards of weights and states."""
    step, devices = step_of(budget), budget.plan.devices
    with pretended(devices):
        mesh = init_device_mesh("cpu", (devices,))
        for layer in [m for m in step.model.modules() if isinstance(m, GradientCheckpointingLayer)]:
            fully_shard(layer, mesh=mesh)
        fully_shard(step.model, mesh=mesh)
        trained = [p for p in step.model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, foreach=False)

        def update() -> None:
            optimizer.step()
            optimizer.zero_grad()

        for _ in range(2):
            step.forward().backward()
            update()
        gathered = 0
        if budget.plan.accumulation > 1:
            step.forward().backward()
            gathered = sum(p.grad.to_local().nbytes for p in trained)
        return gathered + timeline(step.forward, update, lambda loss: loss).peak
