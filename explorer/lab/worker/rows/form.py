"""What an adapter does, as numbers for one row of a batch.

A linear of the base, y = W x + b, becomes for this row

    y = post ⊙ (W (pre ⊙ x) + b) + scale · up down x + add

which covers LoRA, DoRA, IA3, added biases and both variants of LLaMA-Adapter V2. Norms get a
weight of their own; attention gets prompts beside the softmax (LLaMA-Adapter), extra keys inside it
(LLaMA-Excitor), or cached keys and values in front of the text (prefix and prompt tuning).
"""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from explorer.catalogue.errors import ExplorerError


class NoRowFormError(ExplorerError):
    """This adapter does something that no row of a shared batch can do; the sentence says what."""


@dataclass(frozen=True)
class LinearForm:
    """pre [in], post [out], add [out], down [r, in] and up [out, r]; None where nothing happens.

    The tensors may be an adapter's own, which are not to be written into; `scale` is that of `up`.
    """

    pre: Tensor | None = None
    post: Tensor | None = None
    add: Tensor | None = None
    down: Tensor | None = None
    up: Tensor | None = None
    scale: float = 1.0

    @property
    def low_rank_only(self) -> bool:
        return self.pre is None and self.post is None and self.add is None

    def to(self, dtype: torch.dtype) -> "LinearForm":
        """The form with every tensor in another type."""
        parts = {name: getattr(self, name) for name in ("pre", "post", "add", "down", "up")}
        return replace(
            self, **{k: part if part is None else part.to(dtype) for k, part in parts.items()}
        )

    def at(self, strength: float) -> "LinearForm":
        """The form on the way from the base (0) to the adapter (1) and beyond."""
        if strength == 1.0:
            return self
        return LinearForm(
            pre=None if self.pre is None else 1 + strength * (self.pre - 1),
            post=None if self.post is None else 1 + strength * (self.post - 1),
            add=None if self.add is None else strength * self.add,
            down=self.down,
            up=self.up,
            scale=strength * self.scale,
        )


@dataclass(frozen=True)
class PromptForm:
    """gate ⊙ softmax(q keysᵀ/√h) values beside the attention: keys, values [G, K, h]; gate [H]."""

    keys: Tensor
    values: Tensor
    gate: Tensor

    def at(self, strength: float) -> "PromptForm":
        """The form with its gate scaled."""
        return replace(self, gate=strength * self.gate)


@dataclass(frozen=True)
class ExcitorForm:
    """Keys k + gate ⊙ softmax(up down x Pᵀ/√w) P, with P [heads, K, w], gate [H or 1].

    `heads` is H and w = h for attention per head, or 1 and H·h over the full width. down [r, d],
    up [H·h, r]. The tensors are the adapter's own; it acts with them rounded to `dtype`.
    """

    prompt: Tensor
    down: Tensor
    up: Tensor
    gate: Tensor
    rotate: bool
    dtype: torch.dtype

    def rounded(self) -> "ExcitorForm":
        """The form with tensors of its own in the type that it acts in."""
        names = ("prompt", "down", "up", "gate")
        return replace(self, **{name: getattr(self, name).to(self.dtype) for name in names})


@dataclass(frozen=True)
class PrefixForm:
    """Keys and values in front of the text: [layers, G, K, h] each."""

    keys: Tensor
    values: Tensor

    @property
    def length(self) -> int:
        return self.keys.shape[2]


@dataclass(frozen=True)
class RowForm:
    """One row: what differs from the base, by the name of the base's module or by layer."""

    linears: dict[str, LinearForm] = field(default_factory=dict)
    norms: dict[str, Tensor] = field(default_factory=dict)  # weights [d]
    prompts: dict[int, PromptForm] = field(default_factory=dict)
    excitors: dict[int, ExcitorForm] = field(default_factory=dict)
    prefix: PrefixForm | None = None

    @property
    def low_rank_only(self) -> bool:
        """Whether this is a change of linears by low-rank matrices and nothing else."""
        others = (self.norms, self.prompts, self.excitors, self.prefix)
        return not any(others) and all(form.low_rank_only for form in self.linears.values())


BASE = RowForm()


def mix(forms: list[RowForm]) -> RowForm:
    """The sum of low-rank changes as one row: the ranks side by side.

    Raises NoRowFormError for anything but low-rank changes, whose sum means nothing.
    """
    if not all(form.low_rank_only for form in forms):
        raise NoRowFormError(
            "Only adapters of plain LoRA matrices can be mixed: the others do more than add to "
            "a weight."
        )
    mixed: dict[str, LinearForm] = {}
    for form in forms:
        for name, part in form.linears.items():
            mixed[name] = _side_by_side(mixed[name], part) if name in mixed else part
    return replace(BASE, linears=mixed)


def _side_by_side(one: LinearForm, other: LinearForm) -> LinearForm:
    wide = torch.promote_types(one.down.dtype, other.down.dtype)
    return LinearForm(
        down=torch.cat((one.down.to(wide), other.down.to(wide))),
        up=torch.cat([part.scale * part.up.to(wide) for part in (one, other)], dim=1),
    )
