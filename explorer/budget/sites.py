"""The linears of a model, each with its name, its layer and its widths: where a method can act.

Names and paths are those of the modules in transformers, so that a target selects here what it
selects in peft: by the end of the path, in the language model and in the vision tower alike.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from explorer.catalogue.architecture import Architecture, VisionArchitecture
from explorer.catalogue.errors import unknown

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True)
class Site:
    """One module with a weight of shape (d_out, d_in).

    `layer` is the index of its layer in its own stack, None outside of one. `component` is the part
    of the model that the weight is counted under. `kind` is "linear", "embedding" (d_in rows,
    d_out columns) or "convolution" (d_in is channels · patch area).
    """

    name: str
    layer: int | None
    d_in: int
    d_out: int
    path: str
    component: str
    has_bias: bool = False
    kind: str = "linear"
    in_vision: bool = False  # the module sees images and not text

    @property
    def weight(self) -> int:
        """Numbers in the weight."""
        return self.d_in * self.d_out

    @property
    def block(self) -> str:
        """Name of the module that holds it: `self_attn`, `mlp`, `shared_expert`."""
        return self.path.rpartition(".")[0].rpartition(".")[2]


def linear_sites(arch: Architecture) -> tuple[Site, ...]:
    """Every `nn.Linear` of the model in the order of its modules, the head (`lm_head`) last."""
    return tuple(site for site in all_sites(arch) if site.kind == "linear")


def layer_linears(arch: Architecture) -> tuple[Site, ...]:
    """The linears of attention and MLP in all layers of all stacks; routers and ends left out."""
    return tuple(s for s in linear_sites(arch) if s.layer is not None and s.name != "router")


@lru_cache(maxsize=512)
def all_sites(arch: Architecture) -> tuple[Site, ...]:
    """Linears, embeddings and convolutions: everything that a peft target can name."""
    return tuple(_all_sites(arch))


def matching(
    arch: Architecture, targets: Iterable[str], layers: Iterable[int] | None = None
) -> tuple[Site, ...]:
    """The sites that peft would adapt for these `target_modules` (and `layers_to_transform`).

    A target that is a whole path (`lm_head` of a model of text) is adapted whatever the layers are.
    Raises UnknownNameError for a target that this architecture does not have.
    """
    wanted = tuple(dict.fromkeys(targets))
    kept = None if layers is None else frozenset(layers)
    found: list[Site] = []
    known = all_sites(arch)
    for target in wanted:
        if not any(_selects(target, site) for site in known):
            raise unknown("target module", target, {site.name for site in known})
    for site in known:
        if any(_selects(target, site) for target in wanted) and (
            kept is None or site.layer in kept or site.path in wanted
        ):
            found.append(site)
    return tuple(found)


def _selects(target: str, site: Site) -> bool:
    return site.name == target or site.path == target or site.path.endswith(f".{target}")


def text_root(arch: Architecture) -> str:
    """Path of the decoder (embedding, layers, last norm) inside the whole model."""
    if arch.vision is None or arch.model_type == "llama":
        return "model"
    return "language_model.model" if arch.model_type == "llama4" else "model.language_model"


def _all_sites(arch: Architecture) -> Iterator[Site]:
    root = text_root(arch)
    rows = embedding_rows(arch)
    yield Site(
        "embed_tokens", None, rows, arch.hidden_size, f"{root}.embed_tokens", "embeddings", False,
        "embedding",
    )  # fmt: skip
    for layer in range(arch.num_hidden_layers):
        yield from _attention_sites(arch, layer, f"{root}.layers.{layer}")
        yield from _feed_forward_sites(arch, layer, f"{root}.layers.{layer}")
    if arch.vision is not None:
        for site in _vision_sites(arch, arch.vision):
            yield replace(site, in_vision=True)
    head = "language_model.lm_head" if root == "language_model.model" else "lm_head"
    yield Site("lm_head", None, arch.hidden_size, arch.vocab_size, head, "head")


def embedding_rows(arch: Architecture) -> int:
    """Rows of the input embedding: Mllama has eight more than the head, for image tokens."""
    return arch.vocab_size + (8 if arch.model_type == "mllama" else 0)


def _attention_sites(arch: Architecture, layer: int, path: str) -> Iterator[Site]:
    crossing = layer in arch.cross_attention_layers
    module, component = (
        ("cross_attn", "cross_attention") if crossing else ("self_attn", "attention")
    )
    widths = {
        "q_proj": (arch.hidden_size, arch.q_dim),
        "k_proj": (arch.hidden_size, arch.kv_dim),
        "v_proj": (arch.hidden_size, arch.kv_dim),
        "o_proj": (arch.q_dim, arch.hidden_size),
    }
    for name, (d_in, d_out) in widths.items():
        yield Site(
            name, layer, d_in, d_out, f"{path}.{module}.{name}", f"{component}.{name}",
            arch.attention_bias,
        )  # fmt: skip


def _feed_forward_sites(arch: Architecture, layer: int, path: str) -> Iterator[Site]:
    module = "feed_forward" if arch.model_type == "llama4" else "mlp"
    component = "mlp"
    if layer in arch.moe_layers:
        experts = arch.num_local_experts or 0
        yield Site("router", layer, arch.hidden_size, experts, f"{path}.{module}.router", "router")
        module, component = f"{module}.shared_expert", "shared_expert"
    width = feed_forward_width(arch, layer)
    for name in MLP:
        d_in, d_out = (
            (arch.hidden_size, width) if name != "down_proj" else (width, arch.hidden_size)
        )
        yield Site(
            name, layer, d_in, d_out, f"{path}.{module}.{name}", f"{component}.{name}",
            arch.mlp_bias,
        )  # fmt: skip


def feed_forward_width(arch: Architecture, layer: int) -> int:
    """Width of the MLP of this layer (in a layer with experts: of the shared expert)."""
    if arch.model_type == "llama4" and layer not in arch.moe_layers:
        return arch.intermediate_size_mlp or arch.intermediate_size
    return arch.intermediate_size


def _vision_sites(arch: Architecture, vision: VisionArchitecture) -> Iterator[Site]:
    if arch.model_type == "mllama":
        yield from _mllama_vision_sites(arch, vision)
    elif arch.model_type == "llama4":
        yield from _llama4_vision_sites(arch, vision)


def _encoder_sites(vision: VisionArchitecture, path: str, bias: bool) -> Iterator[Site]:
    width = vision.hidden_size
    for name in ATTENTION:
        component = f"vision.attention.{name}"
        yield Site(name, None, width, width, f"{path}.self_attn.{name}", component, bias)
    wide = vision.intermediate_size
    yield Site("fc1", None, width, wide, f"{path}.mlp.fc1", "vision.mlp.fc1", True)
    yield Site("fc2", None, wide, width, f"{path}.mlp.fc2", "vision.mlp.fc2", True)


def _numbered(sites: Iterable[Site], layer: int) -> Iterator[Site]:
    return (replace(site, layer=layer) for site in sites)


def _mllama_vision_sites(arch: Architecture, vision: VisionArchitecture) -> Iterator[Site]:
    root = "model.vision_model"
    patch = vision.num_channels * vision.patch_size**2
    yield Site(
        "patch_embedding", None, patch, vision.hidden_size, f"{root}.patch_embedding",
        "vision.patch_embedding", False, "convolution",
    )  # fmt: skip
    tiles, ratios = vision.max_num_tiles, vision.max_aspect_ratio_id + 1
    tables = {
        "gated_positional_embedding.tile_embedding": tiles * vision_patches(vision),
        "pre_tile_positional_embedding.embedding": tiles,
        "post_tile_positional_embedding.embedding": tiles,
    }
    for path, places in tables.items():
        yield Site(
            path.rsplit(".", 1)[-1], None, ratios, places * vision.hidden_size, f"{root}.{path}",
            "vision.position_embeddings", False, "embedding",
        )  # fmt: skip
    for layer in range(vision.num_hidden_layers):
        path = f"{root}.transformer.layers.{layer}"
        yield from _numbered(_encoder_sites(vision, path, bias=False), layer)
    for layer in range(vision.num_global_layers):
        path = f"{root}.global_transformer.layers.{layer}"
        yield from _numbered(_encoder_sites(vision, path, bias=False), layer)
    yield Site(
        "multi_modal_projector", None, vision.vision_output_dim, arch.hidden_size,
        "model.multi_modal_projector", "projector", True,
    )  # fmt: skip


def _llama4_vision_sites(arch: Architecture, vision: VisionArchitecture) -> Iterator[Site]:
    root = "vision_model"
    patch = vision.num_channels * vision.patch_size**2
    yield Site(
        "linear", None, patch, vision.hidden_size, f"{root}.patch_embedding.linear",
        "vision.patch_embedding",
    )  # fmt: skip
    for layer in range(vision.num_hidden_layers):
        path = f"{root}.model.layers.{layer}"
        yield from _numbered(_encoder_sites(vision, path, bias=True), layer)
    inner, outer = vision.projector_input_dim, vision.projector_output_dim
    adapter, component = f"{root}.vision_adapter.mlp", "vision.adapter"
    yield Site("fc1", None, vision.intermediate_size, inner, f"{adapter}.fc1", component)
    yield Site("fc2", None, outer, outer, f"{adapter}.fc2", component)
    yield Site(
        "linear_1", None, vision.vision_output_dim, arch.hidden_size,
        "multi_modal_projector.linear_1", "projector",
    )  # fmt: skip


def vision_patches(vision: VisionArchitecture) -> int:
    """Tokens that the tower makes of an image (Mllama: of a tile), the class token among them."""
    return (vision.image_size // vision.patch_size) ** 2 + 1
