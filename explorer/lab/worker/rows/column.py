"""A column of a comparison: the base, or the base with an adapter, or with a mix of several."""

from dataclasses import dataclass, field

from torch import nn
from transformers import PreTrainedModel

from explorer.lab.worker.rows.form import RowForm


@dataclass(frozen=True)
class Part:
    """An adapter, as a model over a view of the base, and how strongly it acts.

    Strength 0 is exactly the base, 1 the adapter as trained. What the model does as trained is
    read once and kept in `read`, by the base's id: an adapter that learns on needs a new part.
    """

    model: nn.Module
    strength: float = 1.0
    read: dict[int, RowForm] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Column:
    """`parts` is empty for the base itself; several parts are added up, which LoRA can.

    Columns over the same `base` object decode as one batch.
    """

    name: str
    base: PreTrainedModel
    parts: tuple[Part, ...] = ()
