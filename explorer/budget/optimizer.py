"""What an optimizer keeps of every trained number."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from explorer.budget.activity import SiteAct, inner_name
from explorer.budget.formula import ceil_div
from explorer.budget.plan import BYTES, Plan
from explorer.budget.resolve import Resolved
from explorer.budget.sites import Site, all_sites
from explorer.budget.step import StepBytes

STATES = {
    "adamw": 2,
    "adamw-8bit": 2,
    "paged-adamw": 2,
    "paged-adamw-8bit": 2,
    "sgd": 0,
    "momentum": 1,
    "lion": 1,
}
BLOCK_8BIT = 256  # numbers that share a float32 scale in bitsandbytes' 8-bit states
LEAST_8BIT = 4096  # numbers of a tensor from which bitsandbytes rounds its states (min_8bit_size)
# bitsandbytes makes their states in float32 whatever trains.
FLOAT32_STATES = ("paged-adamw", "lion")


@dataclass(frozen=True)
class OptimizerState:
    """Bytes of an optimizer's states, how they come about, and the same with numbers."""

    bytes: int
    formula: str
    filled: str


def optimizer_state(resolved: Resolved, trained_size: int, step: StepBytes) -> OptimizerState:
    """The states for all that trains; `trained_size` are the bytes of a trained number."""
    plan, count = resolved.plan, resolved.trainable.total
    size = state_size(plan, trained_size)
    if plan.optimizer.endswith("8bit"):
        return _eight_bit(resolved, trained_size, step)
    if plan.optimizer == "adafactor":
        matrices = list(_matrices(resolved))
        rest = max(0, count - sum(rows * columns for rows, columns in matrices))
        numbers = sum(rows + columns for rows, columns in matrices) + rest
        formula = "(rows + columns of each matrix + numbers of each vector) · bytes"
        return OptimizerState(size * numbers, formula, f"{numbers:,} · {size}")
    states = STATES[plan.optimizer]
    return OptimizerState(
        bytes=count * states * size,
        formula=f"trained · {states} states · {size} bytes",
        filled=f"{count:,} · {states} · {size}",
    )


def state_size(plan: Plan, trained_size: int) -> int:
    """Bytes of a number of a state; 8-bit ones round larger tensors to one."""
    if plan.optimizer_dtype and not plan.optimizer.startswith("paged"):
        return int(BYTES[plan.optimizer_dtype])
    if plan.optimizer in FLOAT32_STATES or plan.master_weights:
        return 4
    return trained_size  # torch makes them in the type of the gradient


def _eight_bit(resolved: Resolved, trained_size: int, step: StepBytes) -> OptimizerState:
    tensors = trained_tensors(resolved, trained_size, step)
    large = {numbers: n for numbers, n in tensors.items() if numbers >= LEAST_8BIT}
    rounded = sum(numbers * n for numbers, n in large.items())
    scales = sum(ceil_div(numbers, BLOCK_8BIT) * n for numbers, n in large.items())
    rest = sum(numbers * n for numbers, n in tensors.items()) - rounded
    return OptimizerState(
        bytes=2 * (rounded + 4 * scales + 4 * rest),
        formula=f"2 states · (1 byte and a float32 scale for {BLOCK_8BIT} in tensors of at least "
        f"{LEAST_8BIT:,} numbers + 4 bytes in smaller ones)",
        filled=f"2 · ({rounded:,} + {scales:,} · 4 + {rest:,} · 4)",
    )


def trained_tensors(resolved: Resolved, trained_size: int, step: StepBytes) -> Counter[int]:
    """How many trained tensors there are of so many numbers.

    What is part neither of a layer nor of the model's ends (a table of prompts or of tokens) counts
    as one tensor.
    """
    count = resolved.trainable.total
    if resolved.activity.virtual_keys:  # a table for all layers
        return Counter({count: 1})
    found: Counter[int] = Counter()
    for run in step.runs:
        for size in run.trace.trained:
            found[size // trained_size] += run.count
    for size in (*step.front.trained, *step.tail.trace.trained):
        found[size // trained_size] += 1
    rest = count - sum(numbers * n for numbers, n in found.items())
    if rest > 0:
        found[rest] += 1
    return found


def _matrices(resolved: Resolved) -> Iterator[tuple[int, int]]:
    """Shapes of the trained matrices; what else trains are vectors, which are not factored."""
    arch, acts = resolved.arch, resolved.activity
    for site in all_sites(arch):
        act = _act_at(site, resolved)
        if act is not None and act.kind == "own weight":
            yield site.d_in, site.d_out
        elif act is not None and act.rank:
            yield site.d_in, act.rank
            yield act.rank, site.d_out
    for layer in arch.moe_layers:  # fused experts: a matrix each
        if acts.layers[layer].everything:
            for _ in range(arch.num_local_experts or 0):
                yield arch.hidden_size, 2 * arch.intermediate_size
                yield arch.intermediate_size, arch.hidden_size


def _act_at(site: Site, resolved: Resolved) -> SiteAct | None:
    """What happens at a linear or an embedding; None where none of it is a trained matrix."""
    arch, acts = resolved.arch, resolved.activity
    if site.kind == "convolution":
        return None
    if acts.embeddings and (site.kind == "embedding" or site.in_vision):
        return SiteAct("own weight")
    if site.name == "lm_head":
        return None if arch.tie_word_embeddings else acts.head
    if site.layer is None or site.in_vision:
        return None
    layer = acts.layers[site.layer]
    return SiteAct("own weight") if layer.everything else dict(layer.sites).get(inner_name(site))
