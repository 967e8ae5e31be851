"""Widths that a method can act on: peft refuses those that some knobs do not divide."""

from collections.abc import Mapping
from typing import Any

from explorer.budget.trainable import selection
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.method import Method

# method: the knob, and the widths of a linear that it has to divide
DIVIDES = {
    "boft": ("boft_block_size", ("d_in",)),
    "c3a": ("block_size", ("d_in", "d_out")),
    "gralora": ("gralora_k", ("d_in", "d_out")),
    "road": ("group_size", ("d_out",)),
    "vblora": ("vector_length", ("d_in", "d_out")),
}


def refuse_widths(arch: Architecture, method: Method, knobs: Mapping[str, Any]) -> None:
    """Raise ExplorerError where a knob does not divide a width that it has to."""
    if method.id not in DIVIDES:
        return
    knob, widths = DIVIDES[method.id]
    asked = int(knobs[knob])
    for group in selection(arch, method, knobs).groups:
        for width in widths:
            numbers = getattr(group, width)
            if numbers % asked:
                raise ExplorerError(
                    f"{knob} = {asked} does not divide the width {numbers:,} of {group.name}; "
                    f"{_near(numbers, asked)} does."
                )
    if method.id == "gralora" and int(knobs["r"]) % asked:
        raise ExplorerError(f"gralora_k = {asked} does not divide r = {knobs['r']}.")


def _near(numbers: int, asked: int) -> int:
    return max(m for m in range(1, min(asked, numbers) + 1) if not numbers % m)
