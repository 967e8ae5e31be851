"""Sizes of llama.cpp's GGUF files: which block type each tensor of a LLaMA gets, and its bytes.

The rules are those of `llama-quantize` without an importance matrix (src/llama-quant.cpp).
"""

from collections import defaultdict

from explorer.budget.params import count_parameters
from explorer.budget.sites import Site, all_sites
from explorer.catalogue.architecture import Architecture

# Bytes of a block and numbers in it, from ggml's block structures.
BLOCKS = {
    "f32": (4, 1),
    "f16": (2, 1),
    "bf16": (2, 1),
    "q8_0": (34, 32),
    "q5_1": (24, 32),
    "q5_0": (22, 32),
    "q4_1": (20, 32),
    "q4_0": (18, 32),
    "q6_k": (210, 256),
    "q5_k": (176, 256),
    "q4_k": (144, 256),
    "q3_k": (110, 256),
    "q2_k": (84, 256),
}
# What takes the place of a block of 256 where a row does not fill such blocks.
INSTEAD = {"q2_k": "q4_0", "q3_k": "q4_0", "q4_k": "q5_0", "q5_k": "q5_1", "q6_k": "q8_0"}
# File types and the block of most of their tensors.
FILES = {
    "f16": "f16",
    "bf16": "bf16",
    "q8_0": "q8_0",
    "q6_k": "q6_k",
    "q5_k_m": "q5_k",
    "q5_k_s": "q5_k",
    "q5_1": "q5_1",
    "q5_0": "q5_0",
    "q4_k_m": "q4_k",
    "q4_k_s": "q4_k",
    "q4_1": "q4_1",
    "q4_0": "q4_0",
    "q3_k_l": "q3_k",
    "q3_k_m": "q3_k",
    "q3_k_s": "q3_k",
    "q2_k": "q2_k",
}
LAYERS_OF_70B = 80


def gguf_parts(arch: Architecture, file: str) -> dict[str, int]:
    """Bytes of the tensors of a file of this type, by block type; `file` is a key of FILES."""
    parts: defaultdict[str, int] = defaultdict(int)
    counted = 0
    for site in all_sites(arch):
        if site.name == "lm_head" and arch.tie_word_embeddings:
            continue
        kind = site_type(arch, site, file)
        parts[kind] += tensor_bytes(site.weight, kind)
        counted += site.weight
    for layer in arch.moe_layers:
        each = (arch.num_local_experts or 0) * arch.hidden_size * arch.intermediate_size
        down, others = expert_types(arch, layer, file)
        parts[down] += tensor_bytes(each, down)
        parts[others] += 2 * tensor_bytes(each, others)
        counted += 3 * each
    parts["f32"] += 4 * (count_parameters(arch).total - counted)  # norms and biases
    return dict(parts)


def site_type(arch: Architecture, site: Site, file: str) -> str:
    """The block type of a module's weight in a file of this type."""
    row = site.d_out if site.kind == "embedding" else site.d_in
    return fitted(_usual_type(arch, site, file), row)


def expert_types(arch: Architecture, layer: int, file: str) -> tuple[str, str]:
    """The block types of a layer's experts: of their down projections, and of gate and up."""
    down = fitted(_down_type(arch, layer, file), arch.intermediate_size)
    return down, fitted(FILES[file], arch.hidden_size)


def tensor_bytes(numbers: int, kind: str) -> int:
    """Bytes of a tensor whose rows fill blocks of this type."""
    size, block = BLOCKS[kind]
    return numbers // block * size


def fitted(kind: str, row: int) -> str:
    """The type itself, or the one that llama.cpp takes for rows that do not fill its blocks."""
    if row % BLOCKS[kind][1] == 0:
        return kind
    kind = INSTEAD.get(kind, "f16")
    return kind if row % BLOCKS[kind][1] == 0 else "f16"


def _usual_type(arch: Architecture, site: Site, file: str) -> str:
    usual = FILES[file]
    if site.in_vision:
        return "f16"
    if site.name == "router":
        return "f32"
    if usual in ("f16", "bf16"):
        return usual
    if site.name == "lm_head" or (site.kind == "embedding" and arch.tie_word_embeddings):
        if site.kind == "linear" and site.d_in % BLOCKS[usual][1]:
            return "q8_0"
        return usual if usual == "q8_0" else "q6_k"
    if site.layer is None:
        return usual
    if site.name == "v_proj":
        return _value_type(arch, site.layer, file)
    if site.name == "down_proj":
        return _down_type(arch, site.layer, file)
    if site.name == "o_proj":
        return {"q2_k": "q3_k", "q3_k_m": "q4_k", "q3_k_l": "q5_k"}.get(file, usual)
    return usual


def _value_type(arch: Architecture, layer: int, file: str) -> str:
    kind = FILES[file]
    if file == "q2_k":
        kind = "q4_k" if arch.num_key_value_groups >= 4 else "q3_k"
    elif file == "q3_k_m":
        kind = "q5_k" if layer < 2 else "q4_k"
    elif file == "q3_k_l" or (file == "q4_k_s" and layer < 4):
        kind = "q5_k"
    elif file.endswith("_m") and _has_more_bits(layer, arch.num_hidden_layers):
        kind = "q6_k"
    if arch.num_hidden_layers == LAYERS_OF_70B and arch.num_key_value_groups == 8:
        kind = {"q3_k": "q5_k", "q4_k": "q5_k"}.get(kind, kind)
    return kind


def _down_type(arch: Architecture, layer: int, file: str) -> str:
    layers = arch.num_hidden_layers
    if file == "q2_k":
        return "q3_k"
    if file == "q3_k_m":
        return "q5_k" if layer < layers // 16 else "q4_k"
    if file == "q3_k_l" or (file == "q4_k_s" and layer < layers // 8):
        return "q5_k"
    if file in ("q4_k_m", "q5_k_m") and _has_more_bits(layer, layers):
        return "q6_k"
    return FILES[file]


def _has_more_bits(layer: int, layers: int) -> bool:
    """The first and the last eighth, and every third layer between."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2
