"""What a method holds besides the model and does not train: bases, indices, permutations."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from explorer.budget.formula import evaluate
from explorer.budget.tape import FLOAT32
from explorer.budget.trainable import Group, Selection, known_numbers, selection
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.method import Method


class Sizes(NamedTuple):
    """Bytes of a number of the model (`stream`) and of the adapter (`size`)."""

    stream: int
    size: int = FLOAT32


# Bytes, as peft 0.21 allocates them: at each linear, once for each name of a linear in one kind of
# block, and once in the model. `stream` are the bytes of a number of the model, `size` those of
# what peft widens with the adapter; indices are int64 (8) or int32 (4).
PER_SITE = {
    "adamss": "size * min(r, (k := d_in + has_bias), d_out) * k",
    "boft": "4 * d_in * d_in",
    "delora": "size * d_in",
    "frod": "stream * d_in * d_out",
    "oft": "8 * (b := nearest_divisor(d_in, oft_block_size)) * (b - 1)",
    "glora": "stream * ((0 if has_bias and config_C != 'none' else d_in)"
    " + (0 if has_bias and config_D_E != 'none' else 2 * d_out)"
    " + (2 * d_in * d_out if config_A_B == 'none' else 0))",
    "lora": "size * r * d_out if init_lora_weights == 'mica' else 0",
    "osf": "size * (low * (d_in + d_out + 1) + (high * d_out if d_out > d_in else 0)"
    " + (high * d_in if d_in > d_out else 0))",
    "psoft": "4 * r * (d_in + d_out) + (8 * r * (r - 1) if psoft_orth else 0)",
    "shira": "8 * r * (d_in + d_out)",
    "supertuning": "4 * int(d_in * d_out * (1 - sparsity))",
    "tinylora": "size * ((k := min(r, d_in, d_out)) * (d_in + d_out) + u * k * k)",
    "unilora": "(8 + size) * r * (d_in + d_out)",
}  # fmt: skip
PER_NAME = {
    "frod": "stream * d_in * d_in + 16 + 16 * (max(1, min(int(d_in * d_in * sparse_rate),"
    " d_in * (d_in - 1))) if sparse_rate > 0 else 0)",
}
PER_MODEL = {
    "cartridge": "4 * num_frozen_tokens * num_hidden_layers * 2 * kv_dim",
    "cpt": "4 * len(cpt_token_ids) * hidden_size",
    "pvera": "size * r * (2 * widest_in + widest_out)",
    "randlora": "size * r * (narrowest + widest * ceil_div(narrowest, r))",
    "trainable-tokens": "size * len(token_indices) * hidden_size",
    "vera": "size * r * (widest_in + widest_out)",
}
# What no file holds, at each linear: places in plain attributes, what views keep alive. Those of
# ON_HOST stay in the host's memory when the model is on a GPU: each forward copies them there.
UNWRITTEN = {
    "adamss": "16 * d_out",
    "fourierft": "16 * n_frequency",
    "lora": "stream * d_out * (min(d_in, d_out) - 1)"
    " if init_lora_weights == 'mica' and r == 1 and stream == 4 else 0",
    "osf": "views",
    "waveft": "16 * n_frequency",
}
ON_HOST = {"adamss", "fourierft", "waveft"}


def held_bytes(
    arch: Architecture, method: Method, knobs: Mapping[str, Any], sizes: Sizes, on_gpu: bool = False
) -> int:
    """Bytes of what the method keeps frozen where the model is; `on_gpu`: not on the host."""
    total = buffer_bytes(arch, method, knobs, sizes)
    if method.id in UNWRITTEN and not (on_gpu and method.id in ON_HOST):
        for group in selection(arch, method, knobs).groups:
            names = dict(knobs) | sizes._asdict() | _ranks(group, knobs, sizes)
            total += group.count * evaluate(UNWRITTEN[method.id], names)
    return total


def buffer_bytes(arch: Architecture, method: Method, knobs: Mapping[str, Any], sizes: Sizes) -> int:
    """Bytes of the method's buffers and frozen parameters, which a file can hold."""
    if method.id not in {*PER_SITE, *PER_NAME, *PER_MODEL}:
        return 0
    names = known_numbers(arch) | knobs | sizes._asdict()
    total = shared_bytes(arch, method, knobs, sizes)
    chosen = selection(arch, method, knobs)
    if method.id in PER_MODEL:
        total += evaluate(PER_MODEL[method.id], names | _widths(chosen))
    if method.id in PER_SITE:
        for group in chosen.groups:
            here = names | {"has_bias": group.has_bias} | _ranks(group, knobs, sizes)
            total += group.count * evaluate(PER_SITE[method.id], here)
    return total


def shared_bytes(arch: Architecture, method: Method, knobs: Mapping[str, Any], sizes: Sizes) -> int:
    """Bytes of what the linears of one name in one kind of block share."""
    if method.id not in PER_NAME:
        return 0
    names = dict(knobs) | sizes._asdict()
    sites = selection(arch, method, knobs).sites
    kinds = {(site.block, site.name): site.d_in for site in sites}
    return sum(evaluate(PER_NAME[method.id], names | {"d_in": d_in}) for d_in in kinds.values())


def _ranks(group: Group, knobs: Mapping[str, Any], sizes: Sizes) -> dict[str, int]:
    """The widths of a linear, and how OSF splits its singular directions.

    In a float32 model nothing is converted, and what torch finds contiguous stays a view that holds
    all it is a view of: the singular values, a single column of U, and what is empty. `views` are
    those bytes.
    """
    whole = min(group.d_in, group.d_out)
    high = min(whole, int(knobs.get("effective_rank") or whole // 2))
    low, beside = whole - high, 0
    if sizes.stream == FLOAT32:
        beside = high
        beside += (whole - 1) * group.d_out * (high == 1 and group.d_out > group.d_in)
        beside += (whole - 1) * group.d_out * (low == 1)
        beside += whole * (group.d_in + group.d_out) * (low == 0)
    return {
        "d_in": group.d_in,
        "d_out": group.d_out,
        "high": high,
        "low": low,
        "views": FLOAT32 * beside,
    }


def _widths(chosen: Selection) -> dict[str, int]:
    widest_in = max(group.d_in for group in chosen.groups)
    widest_out = max(group.d_out for group in chosen.groups)
    return {
        "widest_in": widest_in,
        "widest_out": widest_out,
        "widest": max(widest_in, widest_out),
        "narrowest": min(widest_in, widest_out),
    }
