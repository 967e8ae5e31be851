"""Every part of a model by its id: its weights, their shapes, how many there are, what it is."""

from collections import defaultdict
from functools import lru_cache
from math import prod

from explorer.budget.params import count_parameters
from explorer.budget.sites import Site, all_sites, embedding_rows, vision_patches
from explorer.catalogue.architecture import Architecture, VisionArchitecture
from explorer.catalogue.errors import unknown
from explorer.catalogue.record import Record
from explorer.figures.diagram.wording import WORDS


class Weight(Record):
    """One tensor of a part, and how many layers hold one like it."""

    name: str
    shape: tuple[int, ...]
    copies: int = 1

    @property
    def parameters(self) -> int:
        """Numbers in one of them."""
        return prod(self.shape)


class PartDetails(Record):
    """What a click on a box shows. `parameters` is of one layer, `total` of the whole model."""

    id: str
    name: str
    weights: tuple[Weight, ...]
    formula: str
    parameters: int
    total: int
    share: float
    explanation: str


def part_details(arch: Architecture, part: str) -> PartDetails:
    """Weights, formula and share of the part with this id; UnknownNameError with the nearest."""
    known = inventory(arch)
    if part not in known:
        raise unknown("part", part, known)
    name, formula, explanation = WORDS[part]
    weights = known[part]
    total = sum(weight.parameters * weight.copies for weight in weights)
    if part == "lm_head" and arch.tie_word_embeddings:
        total = 0
    return PartDetails(
        id=part,
        name=name,
        weights=weights,
        formula=formula,
        parameters=sum(w.parameters for w in weights if w.copies) if total else 0,
        total=total,
        share=total / count_parameters(arch).total,
        explanation=explanation,
    )


def numbers_in(arch: Architecture, part: str) -> int:
    """Parameters of this part in one layer that has it; 0 for a part without weights."""
    return sum(weight.parameters for weight in inventory(arch).get(part, ()))


@lru_cache(maxsize=256)
def inventory(arch: Architecture) -> dict[str, tuple[Weight, ...]]:
    """The weights of every part that a drawing of this model can show."""
    depth, width = arch.num_hidden_layers, arch.hidden_size
    parts: dict[str, tuple[Weight, ...]] = {
        "embed_tokens": (Weight(name="weight", shape=(embedding_rows(arch), width)),),
        "input_layernorm": (Weight(name="weight", shape=(width,), copies=depth),),
        "post_attention_layernorm": (Weight(name="weight", shape=(width,), copies=depth),),
        **_decoder_linears(arch),
        "norm": (Weight(name="weight", shape=(width,)),),
        "lm_head": (Weight(name="weight", shape=(arch.vocab_size, width)),),
    }
    weightless = ["attention.rope", "attention.heads", "attention.softmax", "mlp.silu"]
    weightless += ["residual", "layers"] + ["attention.qk_norm"] * arch.use_qk_norm
    if arch.cross_attention_layers:
        crossing = len(arch.cross_attention_layers)
        parts["cross_attention.norms"] = (
            Weight(name="q_norm.weight", shape=(arch.head_dim,), copies=crossing),
            Weight(name="k_norm.weight", shape=(arch.head_dim,), copies=crossing),
        )
        parts["cross_attention.gates"] = (
            Weight(name="cross_attn_attn_gate", shape=(1,), copies=crossing),
            Weight(name="cross_attn_mlp_gate", shape=(1,), copies=crossing),
        )
    if arch.is_moe:
        parts["experts"] = _experts(arch)
    if arch.vision is not None and arch.model_type != "llama":
        parts |= _vision(arch, arch.vision)
        weightless += ["image_tokens", "vision.image"] + ["vision.pixel_shuffle"] * (
            arch.model_type == "llama4"
        )
    return parts | dict.fromkeys(weightless, ())


def _decoder_linears(arch: Architecture) -> dict[str, tuple[Weight, ...]]:
    grouped: defaultdict[str, list[Site]] = defaultdict(list)
    for site in all_sites(arch):
        if site.layer is not None and not site.in_vision:
            grouped[site.component].append(site)
    return {component: _linear(sites[0], len(sites)) for component, sites in grouped.items()}


def _linear(site: Site, copies: int, prefix: str = "") -> tuple[Weight, ...]:
    weight = Weight(name=f"{prefix}weight", shape=(site.d_out, site.d_in), copies=copies)
    bias = Weight(name=f"{prefix}bias", shape=(site.d_out,), copies=copies)
    return (weight, bias) if site.has_bias else (weight,)


def _experts(arch: Architecture) -> tuple[Weight, ...]:
    number, layers = arch.num_local_experts or 0, len(arch.moe_layers)
    width, inner = arch.hidden_size, arch.intermediate_size
    return (
        Weight(name="gate_up_proj", shape=(number, width, 2 * inner), copies=layers),
        Weight(name="down_proj", shape=(number, inner, width), copies=layers),
    )


def _vision(arch: Architecture, vision: VisionArchitecture) -> dict[str, tuple[Weight, ...]]:
    sites = [site for site in all_sites(arch) if site.in_vision]
    named: defaultdict[str, list[Weight]] = defaultdict(list)
    for site in sites:
        if site.layer is None:
            tidy = site.path.split("vision_model.")[-1]
            named[site.component] += _linear(site, 1, f"{tidy}.")
    width = vision.hidden_size
    places = named["vision.position_embeddings"]
    places.append(Weight(name="class_embedding", shape=(width,)))
    places.append(Weight(name="position_embedding", shape=(vision_patches(vision), width)))
    if arch.model_type == "mllama":
        places.append(Weight(name="gates", shape=(3,)))
    encoder = _encoder(sites, "", vision.num_hidden_layers, width)
    for norm in ("layernorm_pre", "layernorm_post"):
        encoder += [Weight(name=f"{norm}.{kind}", shape=(width,)) for kind in ("weight", "bias")]
    named["vision.encoder"] = encoder
    if vision.num_global_layers and arch.model_type == "mllama":
        layers = vision.num_global_layers
        named["vision.global_encoder"] = [
            *_encoder(sites, "global_", layers, width),
            Weight(name="gates", shape=(2,), copies=layers),
        ]
    return {part: tuple(weights) for part, weights in named.items()}


def _encoder(sites: list[Site], stack: str, layers: int, width: int) -> list[Weight]:
    """The weights of one layer of the encoder; its layers are all alike."""
    first = [s for s in sites if s.layer == 0 and ("global_transformer" in s.path) == bool(stack)]
    weights = [weight for site in first for weight in _linear(site, layers, f"{site.name}.")]
    for norm in ("input_layernorm", "post_attention_layernorm"):
        weights += [
            Weight(name=f"{norm}.{kind}", shape=(width,), copies=layers)
            for kind in ("weight", "bias")
        ]
    return weights
