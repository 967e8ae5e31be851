"""A column of a comparison: the base, or the base with an adapter, or with a mix of several."""

from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel


@dataclass(frozen=True)
class Part:
    """An adapter, as a model over a view of the base, and how strongly it acts.

    Strength 0 is exactly the base, 1 the adapter as trained.
    """

    model: nn.Module
    strength: float = 1.0


@dataclass(frozen=True)
class Column:
    """`parts` is empty for the base itself; several parts are added up, which LoRA can.

    Columns over the same `base` object decode as one batch.
    """

    name: str
    base: PreTrainedModel
    parts: tuple[Part, ...] = ()
