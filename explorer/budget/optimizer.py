"""What an optimizer keeps of every trained number."""

from collections.abc import Iterator

from explorer.budget.activity import SiteAct, inner_name
from explorer.budget.plan import BYTES, Plan
from explorer.budget.resolve import Resolved
from explorer.budget.sites import Site, all_sites

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


def state_formula(plan: Plan, trained_size: int) -> str:
    """How the state comes about, in words."""
    if plan.optimizer == "adafactor":
        return "a float32 number for each row and each column of each matrix"
    if plan.optimizer.endswith("8bit"):
        return f"2 states · (1 byte + a float32 scale for {BLOCK_8BIT})"
    size = state_size(plan, trained_size)
    states = STATES[plan.optimizer]
    return f"{states} states · {size / max(states, 1):g} bytes"
