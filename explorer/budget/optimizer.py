"""What an optimizer keeps of every trained number."""

from collections.abc import Iterator

from explorer.budget.activity import inner_name
from explorer.budget.plan import BYTES, Plan
from explorer.budget.resolve import Resolved
from explorer.budget.sites import all_sites

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


def state_size(plan: Plan, trained_size: int) -> float:
    """Bytes of optimizer state a trained number; `trained_size` are those of the number itself."""
    if plan.optimizer.endswith("8bit"):
        return 2 * (1 + 4 / BLOCK_8BIT)
    size = BYTES[plan.optimizer_dtype] if plan.optimizer_dtype else trained_size
    if plan.optimizer.startswith("paged") or plan.master_weights:
        size = 4  # bitsandbytes' own states, and those beside float32 copies, are float32
    return float(STATES[plan.optimizer] * size)


def optimizer_bytes(resolved: Resolved, trained_size: int) -> int:
    """Bytes of the optimizer's state for all that trains."""
    plan, count = resolved.plan, resolved.trainable.total
    if plan.optimizer != "adafactor":
        return int(count * state_size(plan, trained_size))
    matrices = list(_matrices(resolved))
    rest = max(0, count - sum(rows * columns for rows, columns in matrices))
    return 4 * (sum(rows + columns for rows, columns in matrices) + rest)


def _matrices(resolved: Resolved) -> Iterator[tuple[int, int]]:
    """Shapes of the trained matrices; what else trains are vectors, which are not factored."""
    acts = resolved.activity
    for site in all_sites(resolved.arch):
        if site.kind == "convolution" or (site.layer is None and site.kind == "linear"):
            continue
        if acts.embeddings and site.kind == "embedding":
            yield site.d_in, site.d_out
        if site.layer is None or site.in_vision:
            continue
        layer = acts.layers[site.layer]
        act = dict(layer.sites).get(inner_name(site))
        if layer.everything:
            yield site.d_in, site.d_out
        elif act is not None and act.rank:
            yield site.d_in, act.rank
            yield act.rank, site.d_out


def state_formula(plan: Plan, trained_size: int) -> str:
    """How the state comes about, in words."""
    if plan.optimizer == "adafactor":
        return "a float32 number for each row and each column of each matrix"
    if plan.optimizer.endswith("8bit"):
        return f"2 states · (1 byte + a float32 scale for {BLOCK_8BIT})"
    size = state_size(plan, trained_size)
    states = STATES[plan.optimizer]
    return f"{states} states · {size / max(states, 1):g} bytes"
