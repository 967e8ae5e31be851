"""How many parameters a model has: in closed form, by component, to the integer."""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache

from explorer.budget.sites import all_sites, vision_patches
from explorer.catalogue.architecture import Architecture, VisionArchitecture


@dataclass(frozen=True)
class ParameterCount:
    """Parameters of a model as transformers stores it; tied weights count once.

    `active` is what one token of text goes through: the language model without the experts that it
    is not sent to. `active_with_image` adds the vision tower and the projector.
    """

    total: int
    active: int
    active_with_image: int
    by_component: dict[str, int] = field(default_factory=dict)
    by_layer: tuple[int, ...] = ()

    @property
    def layers(self) -> int:
        """Parameters in all decoder layers together."""
        return sum(self.by_layer)


@lru_cache(maxsize=512)
def count_parameters(arch: Architecture) -> ParameterCount:
    """Count a model's parameters; equals `model.num_parameters()` of transformers."""
    counted: defaultdict[str, int] = defaultdict(int)
    layers = [0] * arch.num_hidden_layers
    for site in all_sites(arch):
        if site.name == "lm_head" and arch.tie_word_embeddings:
            counted["head"] = 0  # the embedding's own numbers
            continue
        numbers = site.weight + (site.d_out if site.has_bias else 0)
        counted[site.component] += numbers
        if site.layer is not None and not site.in_vision:
            layers[site.layer] += numbers
    for layer in range(arch.num_hidden_layers):
        extra = _layer_extras(arch, layer)
        for component, numbers in extra.items():
            counted[component] += numbers
            layers[layer] += numbers
    counted["norms"] += arch.hidden_size
    if arch.vision is not None:
        for component, numbers in _vision_extras(arch, arch.vision).items():
            counted[component] += numbers
    total = sum(counted.values())
    sees = sum(n for name, n in counted.items() if name.startswith(("vision", "projector")))
    idle = _idle_experts(arch)
    return ParameterCount(
        total=total,
        active=total - sees - idle,
        active_with_image=total - idle,
        by_component=dict(counted),
        by_layer=tuple(layers),
    )


def expert_parameters(arch: Architecture) -> int:
    """Numbers in one routed expert of one layer: gate, up and down, fused, without bias."""
    return 3 * arch.hidden_size * arch.intermediate_size


def _idle_experts(arch: Architecture) -> int:
    idle = (arch.num_local_experts or 0) - (arch.num_experts_per_tok or 0)
    return len(arch.moe_layers) * max(idle, 0) * expert_parameters(arch)


def _layer_extras(arch: Architecture, layer: int) -> dict[str, int]:
    """What a decoder layer holds beside its linears."""
    extras = {"norms": 2 * arch.hidden_size}
    if layer in arch.cross_attention_layers:
        extras["cross_attention.norms"] = 2 * arch.head_dim
        extras["cross_attention.gates"] = 2
    if layer in arch.moe_layers:
        each = (arch.num_local_experts or 0) * arch.hidden_size * arch.intermediate_size
        extras["experts.gate_up_proj"] = 2 * each
        extras["experts.down_proj"] = each
    return extras


def _vision_extras(arch: Architecture, vision: VisionArchitecture) -> dict[str, int]:
    """What a vision tower holds beside its linears, convolutions and embedding tables."""
    width, layers = vision.hidden_size, vision.num_hidden_layers
    if arch.model_type == "mllama":
        layers += vision.num_global_layers
    extras = {
        "vision.class_embedding": width,
        "vision.position_embeddings": vision_patches(vision) * width,
        "vision.norms": 2 * width * (2 * layers + 2),  # LayerNorm: a weight and a bias
    }
    if arch.model_type == "mllama":
        extras["vision.gates"] = 3 + 2 * vision.num_global_layers
    return extras
