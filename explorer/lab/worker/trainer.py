"""The optimizer loop: masked loss, warm-up and decay, clipping, peak memory, on any device."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn
from transformers import PreTrainedModel

from explorer.catalogue.errors import ExplorerError
from explorer.lab.job import TrainJob
from explorer.lab.worker.evaluate import answer_loss, forward
from explorer.lab.worker.memory import PeakMemory
from explorer.lab.worker.optimizer import adamw, held_bytes
from explorer.lab.worker.sharing import Sharing, full, local
from explorer.lab.worker.text import IGNORED, Batch, Encoded, batches, collate


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


def checkpoint_activations(model: PreTrainedModel) -> None:
    """Keep only each layer's input for the backward pass, and compute the rest again then."""
    # The method's name from transformers 5.20 on, and before.
    newer = getattr(model, "activation_checkpointing_enable", None)
    (newer or model.gradient_checkpointing_enable)({"use_reentrant": False})


class Trainer:
    """Trains what requires a gradient in `model` on `rows`; `steps()` does it bit by bit."""

    def __init__(
        self,
        model: nn.Module,
        job: TrainJob,
        rows: Sequence[Encoded],
        pad_id: int,
        sharing: Sharing | None = None,
    ) -> None:
        self.model, self.job, self.rows, self.pad_id = model, job, rows, pad_id
        self.device = next(model.parameters()).device
        self.sharing = sharing or Sharing(self.device)
        self.accelerator = self.sharing.accelerator
        self.total = job.steps  # fewer where a time, progress or rivals decide
        self.trainable = [p for p in model.parameters() if p.requires_grad]
        self.memory = PeakMemory(model)
        with self.memory.allocating():
            optimizer = adamw(self.trainable, job.weight_decay)
        self.optimizer = self.accelerator.prepare_optimizer(optimizer)
        # Shards are gathered by the model itself; DDP wraps it, where it lies already.
        prepared = self.accelerator.prepare_model
        self.wrapped = model if self.sharing.shards else prepared(model, device_placement=False)

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
                loss, told, tokens = self._forward(batch)
            seconds = time.perf_counter() - begun
            yield None
            begun = time.perf_counter()
            with watching:
                norm = self._backward(loss, told, step)
                del loss
                self.optimizer.step()
                self.optimizer.zero_grad()
            seconds += time.perf_counter() - begun
            yield Done(step, told, rate, norm, tokens, seconds)

    def _batch(self, numbers: list[int]) -> Batch:
        """This process's share of the batch; where that is no row, one of which nothing counts."""
        share = self.sharing.share(numbers)
        rows = [self.rows[number] for number in share or numbers[:1]]
        batch = collate(rows, self.pad_id, self.device)
        if share:
            return batch
        return replace(batch, labels=torch.full_like(batch.labels, IGNORED), tokens=0)

    def _forward(self, batch: Batch) -> tuple[torch.Tensor, float, int]:
        """The loss to differentiate; of all processes the mean over answer tokens, and tokens."""
        summed, count = answer_loss(forward(self.model, batch, self.wrapped), batch)
        counts = summed.new_tensor([float(count), float(batch.tokens)])
        totals = torch.cat([summed.detach()[None], counts])
        total, answers, tokens = self.accelerator.reduce(totals, reduction="sum").tolist()
        # Gradients are averaged over processes, while the mean is over all their tokens.
        return summed * (self.sharing.processes / answers), total / answers, int(tokens)

    def _backward(self, loss: torch.Tensor, told: float, step: int) -> float:
        if not math.isfinite(told):
            raise DivergedError(self._diverged("loss", told, step))
        self.accelerator.backward(loss)
        norm = full(self.accelerator.clip_grad_norm_(self.trainable, self.job.clip)).item()
        if not math.isfinite(norm):
            raise DivergedError(self._diverged("gradient", norm, step))
        return norm

    def _diverged(self, what: str, value: float, step: int) -> str:
        return (
            f"the {what} became {value} at step {step} with learning rate "
            f"{self.job.rate_at(step, self.total):g}: take a smaller one"
        )

    def peak(self) -> tuple[int, dict[str, int]]:
        """Peak bytes, and what they were: the model, gradients, optimizer state and the rest."""
        peak = self.memory.read()
        trainable = sum(local(p).nbytes for p in self.trainable)
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
