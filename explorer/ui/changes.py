"""What changed from one model to others: field by field, with what each change alone costs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from explorer.catalogue.architecture import Architecture
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.generation import Generation
from explorer.catalogue.model import Model
from explorer.catalogue.record import Fact
from explorer.ui.cards.fields import UNCOMPARED, Field, fact, fields_by_group
from explorer.ui.costs import Cost, cost

FEWEST, MOST = 2, 4
LISTS = ("moe_layers", "no_rope_layers", "cross_attention_layers")  # of layers by their number
# Fields that take no weights, no cache and no product with a matrix, whatever their value.
FREE = frozenset({
    "use_qk_norm", "attn_temperature_tuning", "rope_theta", "rope_scaling",
    "no_rope_layer_interval", "rms_norm_eps", "max_context",
})  # fmt: skip

# Fields of the architecture that a change of this field sets together: one alone makes no model.
TOGETHER = {
    "hidden_size": ("hidden_size",),
    "num_hidden_layers": ("num_hidden_layers",),
    "num_attention_heads": ("num_attention_heads",),
    "num_key_value_heads": ("num_key_value_heads",),
    "head_dim": ("head_dim",),
    "intermediate_size": ("intermediate_size", "intermediate_size_mlp"),
    "num_local_experts": (
        "num_local_experts", "num_experts_per_tok", "moe_layers", "intermediate_size",
        "intermediate_size_mlp", "model_type",
    ),
    "num_experts_per_tok": ("num_experts_per_tok",),
    "interleave_moe_layer_step": ("moe_layers",),
    "vocab_size": ("vocab_size",),
    "tie_word_embeddings": ("tie_word_embeddings",),
    "vision": ("vision",),
    "cross_attention_layers": ("cross_attention_layers", "num_hidden_layers", "model_type"),
}  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One field: what each model has, and what the change from the first model alone costs."""

    field: Field
    facts: tuple[Fact[Any] | None, ...]
    costs: tuple[Cost | None, ...]


def pick(catalogue: Catalogue, ids: Sequence[str]) -> list[Model]:
    """The models to compare. Raises ExplorerError unless they are two to four different ones."""
    models = [catalogue.model(name) for name in dict.fromkeys(ids)]
    if not FEWEST <= len(models) <= MOST:
        raise ExplorerError(
            f"A comparison takes {FEWEST} to {MOST} different models, these are {len(models)}."
        )
    return models


def changes(models: Sequence[Model], alike: bool = False) -> dict[str, list[Change]]:
    """Changes by group. With `alike` also the fields in which all the models agree."""
    found: dict[str, list[Change]] = {}
    for group, fields in fields_by_group().items():
        if group in UNCOMPARED:
            continue
        rows = [_change(models, field) for field in fields if _told(models, field)]
        kept = [row for row in rows if alike or len({_value(held) for held in row.facts}) > 1]
        if kept:
            found[group] = kept
    return found


def _change(models: Sequence[Model], field: Field) -> Change:
    first, held = models[0].architecture, tuple(fact(model, field) for model in models)
    costs = [
        None if _value(mine) == _value(held[0]) else _alone(first, model.architecture, field.name)
        for model, mine in zip(models, held, strict=True)
    ]
    return Change(field, held, tuple(costs))


def _told(models: Iterable[Model], field: Field) -> bool:
    """Whether any of the models has a value in this field."""
    held = [fact(model, field) for model in models]
    return any(item is not None and item.value is not None for item in held)


def _value(held: Fact[Any] | None) -> str:
    return repr(None if held is None else held.value)


def _alone(first: Architecture | None, other: Architecture | None, name: str) -> Cost | None:
    """The cost of giving the first shape the other's value of this field and nothing else of it.

    None where the field says nothing of the shape, or where such a shape does not exist.
    """
    if first is None or other is None:
        return None
    if name in FREE:
        return Cost(0, 0, 0, 0)
    if name not in TOGETHER:
        return None
    mixed = first.model_dump() | {key: getattr(other, key) for key in TOGETHER[name]}
    if name == "num_hidden_layers":
        mixed |= {key: _stretched(first, other, key) for key in LISTS}
    if name == "vision" and other.vision:
        if first.is_moe and first.model_type != other.model_type:
            return None  # a mixture of experts keeps its shared expert only as its own type
        mixed["model_type"] = other.model_type
    try:
        return cost(Architecture.model_validate(mixed)) - cost(first)
    except ValidationError:
        return None


def _stretched(first: Architecture, other: Architecture, name: str) -> tuple[int, ...]:
    """The first model's list of layers, such as those with experts, for the other's depth.

    A list that goes on goes on as it began: every n-th layer stays every n-th.
    """
    held: tuple[int, ...] = getattr(first, name)
    depth = other.num_hidden_layers
    if not held or depth <= first.num_hidden_layers:
        return tuple(layer for layer in held if layer < depth)
    return tuple(layer for layer in range(depth) if layer % first.num_hidden_layers in held)


def lineage(catalogue: Catalogue, first: Model, last: Model) -> list[Generation]:
    """The generations from the first model's to the last one's, without the first; or none."""
    path: list[Generation] = []
    current: str | None = last.generation
    while current is not None and current != first.generation:
        path.append(catalogue.generation(current))
        current = path[-1].previous
    return path[::-1] if current == first.generation else []
