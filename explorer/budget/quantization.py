"""What weights weigh on a device: bitsandbytes' tensors to the byte, GGUF's blocks, the rest."""

from dataclasses import dataclass, field
from functools import lru_cache

from explorer.budget.gguf import BLOCKS, FILES, gguf_parts
from explorer.budget.params import count_parameters
from explorer.budget.sites import Site, all_sites
from explorer.catalogue.architecture import Architecture

FOUR_BIT = ("nf4", "fp4")
BLOCK_SIZES = (32, 64, 128, 256, 512, 1024, 2048, 4096)
NESTED_BLOCK = 256  # scales that share a scale in double quantization
CODE_TABLE = 16 * 4  # the sixteen levels, float32, kept by every module
NESTED_TABLE = 256 * 4  # the dynamic 8-bit map, float32, kept by every module
OFFSET = 4  # the mean of the scales, float32
GGUF_FILES = tuple(FILES)
UNQUANTIZED = ("f32", "f16", "bf16")  # of GGUF's types


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


def _gguf_bytes(arch: Architecture, quantization: Quantization) -> WeightBytes:
    parts = gguf_parts(arch, quantization.kind.removeprefix("gguf-"))
    kept = sum(size // BLOCKS[kind][0] for kind, size in parts.items() if kind in UNQUANTIZED)
    told = ("Norms and biases are float32; the head is q6_k where the rest is coarser.",)
    return WeightBytes(sum(parts.values()), parts, count_parameters(arch).total - kept, told)
