"""A method drawn on the block of any LLaMA: its knobs move the drawing and its numbers."""

from collections.abc import Mapping
from typing import Any

from explorer.budget.params import count_parameters
from explorer.budget.trainable import TrainableCount, count_trainable, selection
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.errors import unknown
from explorer.catalogue.method import Method
from explorer.figures.diagram.block import INLINE, Rendering, draw_with
from explorer.figures.diagram.overlay.llama_adapter import LlamaAdapterOverlay
from explorer.figures.diagram.overlay.llama_adapter_v2 import LlamaAdapterV2Overlay
from explorer.figures.diagram.overlay.llama_excitor import LlamaExcitorOverlay
from explorer.figures.diagram.overlay.lora import LoraOverlay
from explorer.figures.diagram.overlay.plain import Absent, Overlay
from explorer.figures.diagram.overlay.qlora import QLoraOverlay
from explorer.figures.diagram.overlay.schematic import (
    EFFECTS,
    FORMS,
    PrefixOverlay,
    SiteOverlay,
    TokensOverlay,
)
from explorer.figures.diagram.overlay.simple import FullOverlay, NormsOverlay
from explorer.figures.diagram.parts import PartDetails, Weight, part_details
from explorer.figures.diagram.plan import Naming

Knobs = Mapping[str, Any]


def draw_method(
    arch: Architecture,
    method: Method,
    knobs: Knobs | None = None,
    name: str = "LLaMA",
    layer: int | None = None,
    rendering: Rendering = INLINE,
) -> str:
    """A layer with the method on it, as SVG; without `layer` the last one that holds any of it.

    `knobs` may be partial or as typed. Raises ExplorerError for a knob, target or layer that there
    is not.
    """
    values = method.read_knobs(knobs)
    trained = count_trainable(arch, method, values)
    if layer is None:
        layer = first_shown(method, trained)
    overlay = overlay_for(arch, method, values, trained, layer)
    return draw_with(arch, overlay, name, layer, rendering)


def method_part_details(
    arch: Architecture,
    method: Method,
    part: str,
    knobs: Knobs | None = None,
    layer: int | None = None,
) -> PartDetails:
    """What a click on a box of `draw_method` shows: the method's own part, or the model's.

    `copies` of a weight counts the layers that hold one. Raises UnknownNameError for a part that
    the drawing does not have.
    """
    values = method.read_knobs(knobs)
    trained = count_trainable(arch, method, values)
    if layer is None:
        layer = first_shown(method, trained)
    overlay = overlay_for(arch, method, values, trained, layer)
    added = overlay.parts(Naming(arch, "", layer))
    if not part.startswith("method."):
        return part_details(arch, part)
    if part not in added:
        raise unknown("part", part, added)
    holding = sum(
        part in overlay_for(arch, method, values, trained, other).parts(Naming(arch, "", other))
        for other in range(arch.num_hidden_layers)
    )
    found = added[part]
    copies = 1 if method.family == "prompt" and not overlay.layers() else holding
    weights = tuple(Weight(name=name, shape=shape, copies=copies) for name, shape in found.weights)
    total = sum(weight.parameters * weight.copies for weight in weights)
    return PartDetails(
        id=part,
        name=found.name,
        weights=weights,
        formula=found.formula,
        parameters=sum(weight.parameters for weight in weights),
        total=total,
        share=total / count_parameters(arch).total,
        explanation=found.explanation,
    )


def first_shown(method: Method, trained: TrainableCount) -> int:
    """The layer that is drawn unless another is asked for: the last that holds anything."""
    return 0 if method.family == "prompt" else max(trained.layers, default=0)


def overlay_for(
    arch: Architecture, method: Method, values: Knobs, trained: TrainableCount, layer: int
) -> Overlay:
    """What `method` adds to the drawing of this layer."""
    if trained.layers and layer not in trained.layers:
        return Absent(method.name, trained)
    if method.id in ("lora", "qlora"):
        return _lora(arch, method, values, trained)
    if method.id in ("llama-adapter-v1", "adaption-prompt"):
        ours = method.id == "llama-adapter-v1"
        return LlamaAdapterOverlay(
            method.name, trained, adapter_len=values["adapter_len"],
            tanh=ours and values["gate_activation"] == "tanh", gate_per_head=ours,
        )  # fmt: skip
    if method.id == "llama-adapter-v2":
        return _adapter_v2(arch, method, values, trained, layer)
    if method.id == "llama-excitor":
        return LlamaExcitorOverlay(
            method.name, trained, adapter_len=values["adapter_len"], r=values["r"],
            per_head=values["per_head"], rotate=values["rotate"],
            gate_per_head=values["gate_per_head"], tanh=values["activation"] == "tanh",
        )  # fmt: skip
    if method.id == "full":
        return FullOverlay(method.name, trained)
    if method.id in ("norms-and-biases", "ln-tuning"):
        return NormsOverlay(method.name, trained, biases=method.id == "norms-and-biases")
    return _schematic(arch, method, values, trained)


def _targets(arch: Architecture, method: Method, values: Knobs) -> dict[str, int]:
    """Names of the linears acted on inside the decoder, and how many there are of each."""
    counted: dict[str, int] = {}
    for site in selection(arch, method, values).sites:
        if site.layer is not None and not site.in_vision:
            counted[site.name] = counted.get(site.name, 0) + 1
    return counted


def _lora(
    arch: Architecture, method: Method, values: Knobs, trained: TrainableCount
) -> LoraOverlay:
    rank = values["r"]
    root = bool(values.get("use_rslora"))
    shared = {
        "r": rank,
        "scale": values["lora_alpha"] / (rank**0.5 if root else rank),
        "scale_name": "α/√r" if root else "α/r",
        "targets": frozenset(_targets(arch, method, values)),
    }
    if method.id == "qlora":
        double = method.recipe.double_quantization if method.recipe else True
        return QLoraOverlay(method.name, trained, double=double, **shared)
    return LoraOverlay(
        method.name, trained, dora=bool(values.get("use_dora")),
        frozen_b=values.get("init_lora_weights") == "mica", **shared,
    )  # fmt: skip


def _adapter_v2(
    arch: Architecture, method: Method, values: Knobs, trained: TrainableCount, layer: int
) -> LlamaAdapterV2Overlay:
    depth = arch.num_hidden_layers
    chat = values["variant"] == "chat"
    length = values["adapter_len"]
    length = (0 if chat else 10) if length is None else length
    late = layer >= depth - (values["adapter_layers"] or depth - 1)
    early = layer < values["visual_layers"]
    return LlamaAdapterV2Overlay(
        method.name, trained, chat=chat, adapter_len=length if late else 0,
        visual_tokens=values["visual_tokens"] if early else 0, r=values["r"],
        tanh=values["gate_activation"] == "tanh",
    )  # fmt: skip


def _schematic(
    arch: Architecture, method: Method, values: Knobs, trained: TrainableCount
) -> Overlay:
    """By family, for the methods without a drawing of their own."""
    name = method.name
    if method.id in ("prefix-tuning", "cartridge"):
        return PrefixOverlay(name, trained, number=values["num_virtual_tokens"])
    if method.family == "prompt" or not method.sites:
        return _tokens(method, values, trained)
    effect, form = FORMS.get(method.id) or EFFECTS.get(method.family, ("add", "ΔW"))
    numbers = _targets(arch, method, values)
    each = {site: trained.by_site.get(site, 0) // many for site, many in numbers.items()}
    return SiteOverlay(
        name, trained, effect=effect, form=form, numbers=each,
        on_input=frozenset(values.get("feedforward_modules") or ()),
    )  # fmt: skip


def _tokens(method: Method, values: Knobs, trained: TrainableCount) -> Overlay:
    listed = values.get("token_indices") or values.get("cpt_token_ids")
    if "token_indices" in values:
        words = "rows of the embedding table"
    elif method.family == "prompt":
        words = "virtual tokens in front of the text"
    else:
        return Overlay(method.name, trained)
    number = len(listed) if listed else values.get("num_virtual_tokens") or 1
    return TokensOverlay(method.name, trained, number=number, words=words)
