"""The optimizer loop: masked loss, warm-up and decay, clipping, peak memory, on any device."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, broadcast
from torch import nn
from transformers import PreTrainedModel

from explorer.catalogue.errors import ExplorerError
from explorer.lab.job import TrainJob
from explorer.lab.worker.evaluate import answer_loss, forward
from explorer.lab.worker.memory import PeakMemory
from explorer.lab.worker.optimizer import adamw, held_bytes
from explorer.lab.worker.text import Batch, Encoded, batches, collate

WHOLE = {DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU}


class DivergedError(ExplorerError):
    """The loss or the gradient stopped being a number."""


@dataclass(frozen=True)
class Done:
    """What one optimizer step did."""

    step: int
    loss: float
    learning_rate: float
    gradient_norm: float
    tokens: int
    seconds: float  # of computing, not of waiting for a turn


@cache
def accelerator(cpu: bool) -> Accelerator:
    """The process's one Accelerator: device placement, and DDP under a launcher.

    Raises ExplorerError for another way of sharing the work. Held-out questions are asked of the
    model by itself, and what is sharded (FSDP, DeepSpeed) answers only together.
    """
    found = Accelerator(cpu=cpu)
    demand_whole(found.distributed_type)
    return found


def demand_whole(kind: DistributedType) -> None:
    """Raise ExplorerError unless every process holds the whole model."""
    if kind not in WHOLE:
        known = ", ".join(sorted(one.value for one in WHOLE))
        raise ExplorerError(
            f"The launcher asks for {kind.value}: the lab trains with the whole model in every "
            f"process ({known}). Launch it with --multi_gpu, without FSDP and DeepSpeed."
        )


def checkpoint_activations(model: PreTrainedModel) -> None:
    """Keep only each layer's input for the backward pass, and compute the rest again then."""
    # The method's name from transformers 5.20 on, and before.
    newer = getattr(model, "activation_checkpointing_enable", None)
    (newer or model.gradient_checkpointing_enable)({"use_reentrant": False})


class Trainer:
    """Trains what requires a gradient in `model` on `rows`; `steps()` does it bit by bit."""

    def __init__(
        self, model: nn.Module, job: TrainJob, rows: Sequence[Encoded], pad_id: int
    ) -> None:
        self.model, self.job, self.rows, self.pad_id = model, job, rows, pad_id
        self.device = next(model.parameters()).device
        self.accelerator = accelerator(self.device.type == "cpu")
        self.total = job.steps  # fewer where a time, progress or rivals decide
        self.trainable = [p for p in model.parameters() if p.requires_grad]
        self.memory = PeakMemory(model)
        with self.memory.allocating():
            optimizer = adamw(self.trainable, job.weight_decay)
        self.wrapped, self.optimizer = self.accelerator.prepare(model, optimizer)

    def steps(self) -> Iterator[Done | None]:
        """Yields None between forward and backward pass, and a Done after every step.

        Raises DivergedError before a step that would write something that is not a number into the
        weights: they stay what they were after the last good step.
        """
        self.model.train()
        order = batches(len(self.rows), self.job.batch_size, self.job.seed)
        step = 0
        while step < self.total:
            step += 1
            batch = self._batch(next(order))
            rate = self.job.rate_at(step, self.total)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            watching = self.memory.watching(step, batch.size)
            begun = time.perf_counter()
            with watching:
                loss, told = self._forward(batch)
            seconds = time.perf_counter() - begun
            yield None
            begun = time.perf_counter()
            with watching:
                norm = self._backward(loss, told, step)
                del loss
                self.optimizer.step()
                self.optimizer.zero_grad()
            seconds += time.perf_counter() - begun
            yield Done(step, told, rate, norm, batch.tokens, seconds)

    def _batch(self, numbers: list[int]) -> Batch:
        """This process's share of the batch, every process's being equally big."""
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        share = numbers[rank::world] or numbers[:1]
        return collate([self.rows[number] for number in share], self.pad_id, self.device)

    def _forward(self, batch: Batch) -> tuple[torch.Tensor, float]:
        """The loss to differentiate, and the mean over answer tokens of all processes."""
        summed, count = answer_loss(forward(self.model, batch, self.wrapped), batch)
        totals = torch.stack([summed.detach(), summed.new_tensor(float(count))])
        total, tokens = self.accelerator.reduce(totals, reduction="sum").tolist()
        # DDP averages over processes, while the mean is over all their tokens.
        return summed * (self.accelerator.num_processes / tokens), total / tokens

    def _backward(self, loss: torch.Tensor, told: float, step: int) -> float:
        if not math.isfinite(told):
            raise DivergedError(self._diverged("loss", told, step))
        self.accelerator.backward(loss)
        norm = float(self.accelerator.clip_grad_norm_(self.trainable, self.job.clip))
        if not math.isfinite(norm):
            raise DivergedError(self._diverged("gradient", norm, step))
        return norm

    def _diverged(self, what: str, value: float, step: int) -> str:
        return (
            f"the {what} became {value} at step {step} with learning rate "
            f"{self.job.rate_at(step, self.total):g}: take a smaller one"
        )

    def agreed(self, number: int) -> int:
        """The main process's number, in all processes that train together."""
        return int(broadcast(torch.tensor(number, device=self.device)))

    def peak(self) -> tuple[int, dict[str, int]]:
        """Peak bytes, and what they were: the model, gradients, optimizer state and the rest."""
        peak = self.memory.read()
        trainable = sum(p.nbytes for p in self.trainable)
        state, masters = held_bytes(self.optimizer)
        held = {
            "base": self.memory.held - trainable,
            "trainable": trainable,
            "gradients": trainable,
            "optimizer": state,
            "master_copies": masters,
        }
        return peak, held | {"activations": peak - sum(held.values())}

    def close(self) -> None:
        """Let go of gradients and optimizer state."""
        self.optimizer.zero_grad()
        self.accelerator.free_memory()
