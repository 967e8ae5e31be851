"""How many parameters a method trains: its own formulas, summed over the linears it acts on."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from explorer.budget.formula import evaluate
from explorer.budget.params import count_parameters
from explorer.budget.sites import Site, all_sites, layer_linears, matching
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.method import Method

LAYERS_KNOB = "layers_to_transform"


@dataclass(frozen=True)
class TrainableCount:
    """What trains. `percent` is of the base model's parameters.

    `by_site` has the parts under the names of the linears, "layers" for what each layer gets and
    "model" for what there is once. `layers` are the indices of the decoder layers that hold any of
    it (all of them for what acts everywhere). `exact` is false where the true count depends on the
    weights or moves while training; `note` says how.
    """

    total: int
    percent: float
    by_site: dict[str, int] = field(default_factory=dict)
    layers: tuple[int, ...] = ()
    exact: bool = True
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Linears of one name and one shape."""

    name: str
    d_in: int
    d_out: int
    has_bias: bool
    count: int


@dataclass(frozen=True, eq=False)  # each is made once, and is its own key in caches
class Selection:
    """The linears that a method acts on, and the same by shape."""

    sites: tuple[Site, ...]
    groups: tuple[Group, ...]
    layers: tuple[int, ...]  # of the language model, with any of the sites


def selection(arch: Architecture, method: Method, knobs: Mapping[str, Any]) -> Selection:
    """The linears that the method acts on with these knobs (read by `method.read_knobs`)."""
    targets = next((knobs[n] for n, knob in method.knobs.items() if knob.type == "sites"), None)
    return _selection(arch, targets, _layers_asked(arch, knobs))


def count_trainable(
    arch: Architecture, method: Method, knobs: Mapping[str, Any] | None = None
) -> TrainableCount:
    """Parameters that `method` trains on `arch`.

    `knobs` may be raw (text as typed) or partial; missing ones take their defaults. Raises
    UnknownNameError for a knob or target that does not exist, ExplorerError for one out of range.
    """
    values = method.read_knobs(knobs)
    names = known_numbers(arch) | values
    rule = method.trainable
    counted: defaultdict[str, int] = defaultdict(int)
    selected = selection(arch, method, values)
    for group in selected.groups:
        formula = rule.by_site.get(group.name, rule.per_site)
        if formula is not None:
            each = evaluate(formula, names | _site_names(group))
            counted[group.name] += group.count * each
    if rule.per_target is not None:
        for group in _whatever_bias(selected.groups):
            counted[group.name] += evaluate(
                rule.per_target, names | _site_names(group) | {"count": group.count}
            )
    names |= {"sites": len(selected.sites), "total_parameters": count_parameters(arch).total}
    names["layers"] = _layer_count(arch, rule.layers, names)
    if rule.per_layer is not None:
        counted["layers"] += names["layers"] * evaluate(rule.per_layer, names)
    if rule.per_model is not None:
        counted["model"] += evaluate(rule.per_model, names)
    total = sum(counted.values())
    return TrainableCount(
        total=total,
        percent=100 * total / names["total_parameters"],
        by_site={name: numbers for name, numbers in counted.items() if numbers},
        layers=_layers_held(arch, method, selected, names["layers"]),
        exact=rule.exact,
        note=rule.note,
    )


@lru_cache(maxsize=512)
def _selection(
    arch: Architecture, targets: tuple[str, ...] | None, layers: tuple[int, ...] | None
) -> Selection:
    if targets is None:  # the seven of every decoder layer
        sites = tuple(s for s in layer_linears(arch) if not s.in_vision)
    else:
        sites = matching(arch, targets, layers)
    if not sites:
        raise ExplorerError(f"No layer of {LAYERS_KNOB} = {layers} has {', '.join(targets or ())}.")
    counts: defaultdict[tuple[str, int, int, bool], int] = defaultdict(int)
    for site in sites:
        counts[site.name, site.d_in, site.d_out, site.has_bias] += 1
    return Selection(
        sites=sites,
        groups=tuple(Group(*shape, count) for shape, count in counts.items()),
        layers=tuple(sorted({s.layer for s in sites if s.layer is not None and not s.in_vision})),
    )


def _whatever_bias(groups: tuple[Group, ...]) -> list[Group]:
    """The groups with those of one name and one shape together."""
    first: dict[tuple[str, int, int], Group] = {}
    for group in groups:
        shape = (group.name, group.d_in, group.d_out)
        held = first.get(shape)
        count = group.count + (held.count if held else 0)
        first[shape] = Group(*shape, group.has_bias, count)
    return list(first.values())


def _site_names(group: Group) -> dict[str, Any]:
    return {
        "site": group.name,
        "d_in": group.d_in,
        "d_out": group.d_out,
        "has_bias": group.has_bias,
    }


@lru_cache(maxsize=512)
def _numbers_of(arch: Architecture) -> tuple[tuple[str, Any], ...]:
    fields = {name: getattr(arch, name) for name in type(arch).model_fields}
    plain = {k: v for k, v in fields.items() if v is None or isinstance(v, int | float | str)}
    crossing = len(arch.cross_attention_layers)
    made = {"q_dim": arch.q_dim, "kv_dim": arch.kv_dim, "num_cross_attention_layers": crossing}
    return tuple((plain | made | _vision_numbers(arch)).items())


def _vision_numbers(arch: Architecture) -> dict[str, int]:
    """Width and layers of the image encoder, and its biases with the projector's; 0 without one."""
    vision = arch.vision
    if vision is None:
        return {"vision_hidden_size": 0, "vision_layers": 0, "vision_biases": 0}
    return {
        "vision_hidden_size": vision.hidden_size,
        "vision_layers": vision.num_hidden_layers + vision.num_global_layers,
        "vision_biases": sum(s.d_out for s in all_sites(arch) if s.in_vision and s.has_bias),
    }


def known_numbers(arch: Architecture) -> dict[str, Any]:
    """What a formula knows of an architecture, by name."""
    return dict(_numbers_of(arch))


def _layers_asked(arch: Architecture, knobs: Mapping[str, Any]) -> tuple[int, ...] | None:
    asked = knobs.get(LAYERS_KNOB)
    if not asked:
        return None
    last = arch.num_hidden_layers - 1
    outside = [layer for layer in asked if layer > last]
    if outside:
        raise ExplorerError(f"{LAYERS_KNOB} names layer {outside[0]}; layers run from 0 to {last}.")
    return tuple(asked)


def _layer_count(arch: Architecture, formula: str | None, names: Mapping[str, Any]) -> int:
    if formula is None:
        return arch.num_hidden_layers
    count = evaluate(formula, names)
    if not 1 <= count <= arch.num_hidden_layers:
        raise ExplorerError(
            f"This asks for {count} layers ({formula}); the model has {arch.num_hidden_layers}, "
            "so 1 to that many are allowed."
        )
    return count


def _layers_held(
    arch: Architecture, method: Method, selected: Selection, top: int
) -> tuple[int, ...]:
    """Decoder layers with something of the method in them: the top ones, or those of its sites."""
    if method.trainable.layers is not None:
        return tuple(range(arch.num_hidden_layers - top, arch.num_hidden_layers))
    if method.sites:
        return selected.layers
    return tuple(range(arch.num_hidden_layers))
