"""What several devices exchange in a training step, and how long it shows."""

from dataclasses import dataclass

from explorer.budget.memory import Memory, trained_size
from explorer.budget.resolve import Resolved

# Assumptions, stated where the result is: of a link's rate in one direction a ring reaches three
# quarters, and an exchange runs beside the arithmetic of the pass that it belongs to.
LINK_EFFICIENCY = 0.75
BACKWARD_SHARE = 2 / 3  # of a step's arithmetic: what DDP and ZeRO-1 and 2 hide gradients behind
GIGA = 1e9


@dataclass(frozen=True)
class Exchange:
    """One device's traffic between two updates.

    `bytes` are those that it sends (and receives as many), `bandwidth` the rated bytes a second in
    both directions together, None where no one said it. `seconds` is how long they take alone,
    `exposed` what of it arithmetic does not hide.
    """

    bytes: int
    bandwidth: float | None
    seconds: float
    exposed: float
    formula: str
    filled: str

    @property
    def note(self) -> str:
        """The assumptions in a sentence."""
        if self.bandwidth is None:
            return (
                "what joins these devices is not in the catalogue, so that their exchange takes "
                "no time here: give its bandwidth"
            )
        return (
            f"a ring at {100 * LINK_EFFICIENCY:.0f} % of the link's rate in one direction, beside "
            "the arithmetic of the backward (with sharded weights, of the whole step)"
        )


NONE = Exchange(0, None, 0.0, 0.0, "", "")


def exchange_of(resolved: Resolved, memory: Memory, arithmetic: float) -> Exchange:
    """What is exchanged between two updates, whose `arithmetic` takes so many seconds.

    The volumes are those of the ZeRO paper (arXiv:1910.02054, section 7): gradients out and back
    for DDP and ZeRO-1; scattered in every micro-batch and the trained weights gathered once for
    ZeRO-2; all weights gathered twice and gradients scattered in every micro-batch for ZeRO-3.
    """
    plan = resolved.plan
    if plan.devices == 1:
        return NONE
    gradients = resolved.trainable.total * trained_size(resolved)
    times, weights = plan.accumulation, 0
    if plan.sharding in ("zero-3", "fsdp"):
        held = memory.weights.total if memory.weights is not None else 0
        weights = held + (0 if resolved.trains_own_weights else gradients)
        volume = times * (2 * weights + gradients)
        formula = "micro-batches · (2 · weights + gradients)"
        filled = f"{times} · (2 · {weights:,} + {gradients:,})"
    elif plan.sharding == "zero-2":
        volume = times * gradients + gradients
        formula = "micro-batches · gradients + trained weights"
        filled = f"{times} · {gradients:,} + {gradients:,}"
    else:
        volume = 2 * gradients
        formula, filled = "2 · gradients", f"2 · {gradients:,}"
    share = f"{plan.devices - 1}/{plan.devices}"
    sent = volume * (plan.devices - 1) // plan.devices
    bandwidth = bandwidth_of(resolved)
    seconds = 0.0 if bandwidth is None else sent / (bandwidth / 2 * LINK_EFFICIENCY)
    hiding = arithmetic if weights else arithmetic * BACKWARD_SHARE
    if plan.sharding in ("none", "ddp", "zero-1"):
        hiding /= times  # gradients leave in the last micro-batch
    return Exchange(
        bytes=sent,
        bandwidth=bandwidth,
        seconds=seconds,
        exposed=max(0.0, seconds - hiding),
        formula=f"(devices - 1) / devices · ({formula})",
        filled=f"{share} · ({filled})",
    )


def bandwidth_of(resolved: Resolved) -> float | None:
    """Bytes a second between two devices, both directions together: the plan's, or the card's."""
    if resolved.plan.interconnect is not None:
        return resolved.plan.interconnect * GIGA
    fact = resolved.hardware.interconnect_bandwidth
    return None if fact is None else fact.value
