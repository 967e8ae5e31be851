"""What a method holds besides the model and does not train: bases, indices, permutations."""

from collections.abc import Mapping
from typing import Any

from explorer.budget.formula import evaluate
from explorer.budget.trainable import Selection, selection
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.method import Method

# Bytes, as peft 0.21 allocates them: at each linear, once for each name among the linears, and once
# in the model. `stream` are the bytes of a number of the model; indices are int64 (8) or int32 (4).
PER_SITE = {
    "adamss": "4 * min(r, d_in, d_out) * d_in",
    "boft": "4 * d_in * d_in",
    "delora": "4 * d_in",
    "frod": "stream * d_in * d_out",
    "oft": "8 * (b := nearest_divisor(d_in, oft_block_size)) * (b - 1)",
    "osf": "4 * (low * (d_in + d_out + 1) + (high * d_out if d_out > d_in else 0)"
    " + (high * d_in if d_in > d_out else 0))",
    "psoft": "4 * r * (d_in + d_out) + (8 * r * (r - 1) if psoft_orth else 0)",
    "shira": "8 * r * (d_in + d_out)",
    "supertuning": "4 * int(d_in * d_out * (1 - sparsity))",
    "tinylora": "4 * (r * (d_in + d_out) + u * r * r)",
    "unilora": "12 * r * (d_in + d_out)",
    "waveft": "16 * n_frequency",
}  # fmt: skip
PER_NAME = {
    "frod": "stream * d_in * d_in + 16 * (max(1, min(int(d_in * d_in * sparse_rate),"
    " d_in * (d_in - 1))) if sparse_rate > 0 else 0)",
}
PER_MODEL = {
    "cpt": "4 * len(cpt_token_ids) * hidden_size",
    "pvera": "4 * r * (2 * widest_in + widest_out)",
    "randlora": "4 * r * (narrowest + widest * ceil_div(narrowest, r))",
    "trainable-tokens": "4 * len(token_indices) * hidden_size",
    "vera": "4 * r * (widest_in + widest_out)",
}


def held_bytes(arch: Architecture, method: Method, knobs: Mapping[str, Any], stream: int) -> int:
    """Bytes of what the method keeps frozen; `stream` are those of a number of the model."""
    if method.id not in {*PER_SITE, *PER_NAME, *PER_MODEL}:
        return 0
    names = dict(knobs) | {"stream": stream, "hidden_size": arch.hidden_size}
    total = 0
    chosen = selection(arch, method, knobs)
    if method.id in PER_MODEL:
        total += evaluate(PER_MODEL[method.id], names | _widths(chosen))
    for group in chosen.groups:
        sizes = names | _ranks(group.d_in, group.d_out, knobs)
        if method.id in PER_SITE:
            total += group.count * evaluate(PER_SITE[method.id], sizes)
        if method.id in PER_NAME:
            total += evaluate(PER_NAME[method.id], sizes)
    return total


def _ranks(d_in: int, d_out: int, knobs: Mapping[str, Any]) -> dict[str, int]:
    """The widths of a linear, and how OSF splits its singular directions."""
    whole = min(d_in, d_out)
    high = min(whole, int(knobs.get("effective_rank") or whole // 2))
    return {"d_in": d_in, "d_out": d_out, "high": high, "low": whole - high}


def _widths(chosen: Selection) -> dict[str, int]:
    groups = chosen.groups
    return {
        "widest_in": max(group.d_in for group in groups),
        "widest_out": max(group.d_out for group in groups),
        "widest": max(max(group.d_in, group.d_out) for group in groups),
        "narrowest": max(min(group.d_in, group.d_out) for group in groups),
    }
