"""What weights weigh on a device: bitsandbytes' tensors to the byte, GGUF's blocks, the rest."""

from dataclasses import dataclass, field
from functools import lru_cache

from explorer.budget.params import count_parameters
from explorer.budget.sites import Site, all_sites
from explorer.catalogue.architecture import Architecture

FOUR_BIT = ("nf4", "fp4")
BLOCK_SIZES = (32, 64, 128, 256, 512, 1024, 2048, 4096)
NESTED_BLOCK = 256  # scales that share a scale in double quantization
CODE_TABLE = 16 * 4  # the sixteen levels, float32, kept by every module
NESTED_TABLE = 256 * 4  # the dynamic 8-bit map, float32, kept by every module
OFFSET = 4  # the mean of the scales, float32


@dataclass(frozen=True)
class Quantization:
    """How linears are held: "none", "int8", "nf4", "fp4" or a GGUF type such as "gguf-q4_k_m"."""

    kind: str = "none"
    double: bool = False
    block: int = 64
    skipped: tuple[str, ...] = ("lm_head",)
    parameter_bytes: int = 2  # of what is not quantized

    @property
    def is_four_bit(self) -> bool:
        """Whether bitsandbytes holds the linears in four bits."""
        return self.kind in FOUR_BIT

    @property
    def is_gguf(self) -> bool:
        """Whether the file is llama.cpp's."""
        return self.kind.startswith("gguf-")


@dataclass(frozen=True)
class WeightBytes:
    """Bytes of a model's weights, by part; `kept` says which parts stay as they are, and why."""

    total: int
    by_part: dict[str, int] = field(default_factory=dict)
    quantized_parameters: int = 0
    kept: tuple[str, ...] = ()


def ceil_div(a: int, b: int) -> int:
    """a / b rounded up."""
    return -(-a // b)


def four_bit_parts(numbers: int, block: int = 64, double: bool = False) -> dict[str, int]:
    """The tensors that bitsandbytes holds for a 4-bit weight of this many numbers, in bytes."""
    blocks = ceil_div(numbers, block)
    parts = {"packed weights": ceil_div(numbers, 2), "code tables": CODE_TABLE}
    if not double:
        return parts | {"scales": 4 * blocks}
    return parts | {
        "scales": blocks,
        "nested scales": 4 * ceil_div(blocks, NESTED_BLOCK) + OFFSET,
        "code tables": CODE_TABLE + NESTED_TABLE,
    }


def int8_parts(d_in: int, d_out: int) -> dict[str, int]:
    """The tensors of a `Linear8bitLt`: a byte a number and a float32 scale a row."""
    return {"int8 weights": d_in * d_out, "scales": 4 * d_out}


def is_quantized(site: Site, skipped: tuple[str, ...]) -> bool:
    """Whether transformers turns this module into a bitsandbytes one: plain `nn.Linear` only."""
    if site.kind != "linear" or site.name == "router":
        return False
    return not any(
        site.name == s or site.path == s or f".{s}." in f".{site.path}." for s in skipped
    )


@lru_cache(maxsize=2048)
def weight_bytes(arch: Architecture, quantization: Quantization) -> WeightBytes:
    """Bytes of all weights of a model on its device."""
    if quantization.is_gguf:
        return _gguf_bytes(arch, quantization)
    count = count_parameters(arch)
    if quantization.kind == "none":
        total = count.total * quantization.parameter_bytes
        return WeightBytes(total, {"weights": total})
    by_part: dict[str, int] = {}
    quantized = 0
    for site in all_sites(arch):
        if not is_quantized(site, quantization.skipped):
            continue
        quantized += site.weight
        parts = (
            four_bit_parts(site.weight, quantization.block, quantization.double)
            if quantization.is_four_bit
            else int8_parts(site.d_in, site.d_out)
        )
        for name, size in parts.items():
            by_part[name] = by_part.get(name, 0) + size
    by_part["not quantized"] = (count.total - quantized) * quantization.parameter_bytes
    return WeightBytes(
        sum(by_part.values()), by_part, quantized, kept_sentences(arch, quantization)
    )


def kept_sentences(arch: Architecture, quantization: Quantization) -> tuple[str, ...]:
    """What bitsandbytes leaves in the model's own type, how much of it, and why."""
    parts = count_parameters(arch).by_component
    size = quantization.parameter_bytes
    told = []
    experts = sum(n for name, n in parts.items() if name.startswith("experts."))
    if experts:
        told.append(
            f"The fused experts ({experts:,} parameters, {experts * size:,} bytes) stay: they are "
            "3-D tensors, and bitsandbytes replaces nn.Linear modules only."
        )
    if parts.get("router"):
        told.append("The routers stay: Llama4Router is not a plain nn.Linear.")
    if (
        any(site.name == "lm_head" for site in all_sites(arch))
        and "lm_head" in quantization.skipped
    ):
        shared = ", shared with the embedding" if arch.tie_word_embeddings else ""
        told.append(f"The head stays for the sake of the logits{shared}.")
    told.append("Embeddings and norms stay: they are no linears.")
    others = [name for name in quantization.skipped if name != "lm_head"]
    if others:
        told.append(f"Left alone as asked: {', '.join(others)}.")
    return tuple(told)


# Bytes of a block and numbers in it, from ggml's block structures.
GGUF_BLOCKS = {
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
# File types: the block of most linears, and the one of those that llama.cpp holds finer.
GGUF_FILES = {
    "f16": ("f16", "f16"),
    "bf16": ("bf16", "bf16"),
    "q8_0": ("q8_0", "q8_0"),
    "q6_k": ("q6_k", "q6_k"),
    "q5_k_m": ("q5_k", "q6_k"),
    "q5_k_s": ("q5_k", "q5_k"),
    "q4_k_m": ("q4_k", "q6_k"),
    "q4_k_s": ("q4_k", "q5_k"),
    "q4_1": ("q4_1", "q4_1"),
    "q4_0": ("q4_0", "q4_0"),
}


def _gguf_bytes(arch: Architecture, quantization: Quantization) -> WeightBytes:
    """Sizes by llama.cpp's rules for LLaMA: head in q6_k, half of v and down finer in the mixes."""
    name = quantization.kind.removeprefix("gguf-")
    usual, finer = GGUF_FILES[name]
    by_part: dict[str, int] = {}
    counted = 0
    for site in all_sites(arch):
        if site.name == "lm_head" and arch.tie_word_embeddings:
            continue
        kind = _gguf_type(arch, site, name, (usual, finer))
        counted += site.weight
        by_part[kind] = by_part.get(kind, 0) + _gguf_size(site.weight, site.d_in, kind)
    experts = sum(
        numbers
        for part, numbers in count_parameters(arch).by_component.items()
        if part.startswith("experts.")
    )
    by_part[usual] = by_part.get(usual, 0) + _gguf_size(experts, arch.hidden_size, usual)
    rest = count_parameters(arch).total - counted - experts
    by_part["f32"] = by_part.get("f32", 0) + 4 * rest
    told = ("Norms and biases are float32; the head is q6_k where the rest is coarser.",)
    return WeightBytes(sum(by_part.values()), by_part, counted + experts, told)


def _gguf_type(arch: Architecture, site: Site, name: str, kinds: tuple[str, str]) -> str:
    usual, finer = kinds
    if site.in_vision or site.name == "router":
        return "f16" if site.in_vision else "f32"
    is_head = site.name == "lm_head" or (site.kind == "embedding" and arch.tie_word_embeddings)
    if is_head:
        return "q6_k" if usual.startswith(("q4", "q5")) else usual
    if site.name in ("v_proj", "down_proj") and site.layer is not None:
        if name.endswith("_m") and _has_more_bits(site.layer, arch.num_hidden_layers):
            return finer
        if name == "q4_k_s" and site.layer < _first_layers(arch, site):
            return finer
    return usual


def _first_layers(arch: Architecture, site: Site) -> int:
    """Layers from the bottom that q4_k_s holds in q5_k: four for v, an eighth for down."""
    return 4 if site.name == "v_proj" else arch.num_hidden_layers // 8


def _has_more_bits(layer: int, layers: int) -> bool:
    """The first and the last eighth, and every third layer between."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def _gguf_size(numbers: int, row: int, kind: str) -> int:
    size, block = GGUF_BLOCKS[kind]
    if row % block:  # llama.cpp falls back where rows do not fill blocks
        size, block = GGUF_BLOCKS["q8_0"] if row % 32 == 0 else GGUF_BLOCKS["f16"]
    return numbers // block * size
