"""What weights weigh on a device: bitsandbytes' tensors to the byte, GGUF's blocks, the rest."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from explorer.budget.formula import ceil_div
from explorer.budget.gguf import BLOCKS, FILES, expert_types, gguf_parts, site_type, tensor_bytes
from explorer.budget.params import count_parameters, expert_parameters
from explorer.budget.sites import Site, all_sites
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.errors import unknown

FOUR_BIT = ("nf4", "fp4")
BITSANDBYTES = ("int8", *FOUR_BIT)
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
    """Bytes of a model's weights, by part; `kept` says which parts stay as they are, and why.

    The same by place: each decoder layer without its routed experts, and these; the table of the
    embedding, a head of its own (0 where it is the table) and the last norm.
    """

    total: int
    by_part: dict[str, int] = field(default_factory=dict)
    quantized_parameters: int = 0
    kept: tuple[str, ...] = ()
    layers: tuple[int, ...] = ()
    experts: tuple[int, ...] = ()
    embedding: int = 0
    head: int = 0
    norm: int = 0

    @property
    def ends(self) -> int:
        """Bytes of what stands before and behind the layers."""
        return self.embedding + self.head + self.norm


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


def is_quantized(site: Site, skipped: tuple[str, ...], tied: bool = False) -> bool:
    """Whether transformers turns this module into a bitsandbytes one: plain `nn.Linear` only.

    A head that is `tied` to the embedding becomes one as well, but its weight stays the embedding's
    own, unpacked.
    """
    if site.kind != "linear" or site.name == "router" or (tied and site.name == "lm_head"):
        return False
    return not any(skips(pattern, site) for pattern in skipped)


@lru_cache(maxsize=65_536)
def skips(name: str, site: Site) -> bool:
    """Whether this entry of `llm_int8_skip_modules` leaves the module as it is.

    transformers' rule (`should_convert_module`) for a plain name: it is a module that the path
    leads through from its start, or the path ends with it.
    """
    return site.path.endswith(name) or f"{site.path}.".startswith(f"{name.rstrip('.')}.")


@lru_cache(maxsize=512)
def refuse_skipped(arch: Architecture, skipped: tuple[str, ...]) -> None:
    """Raise UnknownNameError for an entry that leaves no linear of this model alone."""
    linears = [site for site in all_sites(arch) if site.kind == "linear"]
    for name in skipped:
        if not any(skips(name, site) for site in linears):
            raise unknown("module to skip", name, {site.name for site in linears})


def swaps_tied_head(arch: Architecture, skipped: tuple[str, ...]) -> bool:
    """Whether bitsandbytes' module takes the place of a head that shares the embedding's weight.

    transformers 5 loads such a model, and its forward then fails: the weight was never packed.
    """
    head = next(site for site in all_sites(arch) if site.name == "lm_head")
    return arch.tie_word_embeddings and not any(skips(name, head) for name in skipped)


@lru_cache(maxsize=2048)
def weight_bytes(arch: Architecture, quantization: Quantization) -> WeightBytes:
    """Bytes of all weights of a model on its device."""
    if quantization.is_gguf:
        return _gguf_bytes(arch, quantization)
    count, size = count_parameters(arch), quantization.parameter_bytes
    by_part: dict[str, int] = {}
    quantized = 0

    def held(site: Site) -> int:
        nonlocal quantized
        if quantization.kind == "none" or not is_quantized(
            site, quantization.skipped, arch.tie_word_embeddings
        ):
            return site.weight * size
        quantized += site.weight
        parts = (
            four_bit_parts(site.weight, quantization.block, quantization.double)
            if quantization.is_four_bit
            else int8_parts(site.d_in, site.d_out)
        )
        for name, part in parts.items():
            by_part[name] = by_part.get(name, 0) + part
        return sum(parts.values())

    places = _places(arch, held, lambda _: size, size)
    if quantization.kind == "none":
        return WeightBytes(count.total * size, {"weights": count.total * size}, **places)
    by_part["not quantized"] = (count.total - quantized) * size
    kept = kept_sentences(arch, quantization)
    return WeightBytes(sum(by_part.values()), by_part, quantized, kept, **places)


def _places(
    arch: Architecture,
    held: Callable[[Site], int],
    expert_number: Callable[[int], float],
    small: int,
) -> dict[str, Any]:
    """Where the bytes are, as WeightBytes names it.

    `held` are those of a module's weight, `expert_number` those of a number of a layer's routed
    experts, `small` those of a number of norms and biases.
    """
    count = count_parameters(arch)
    numbers, layers = list(count.by_layer), [0] * arch.num_hidden_layers
    experts = [0] * arch.num_hidden_layers
    ends = {"embed_tokens": 0, "lm_head": 0}
    for site in all_sites(arch):
        if site.name == "lm_head" and arch.tie_word_embeddings:
            continue
        size = held(site)
        if site.layer is not None and not site.in_vision:
            layers[site.layer] += size
            numbers[site.layer] -= site.weight
        elif not site.in_vision:
            ends[site.name] += size
    for layer in arch.moe_layers:
        routed = (arch.num_local_experts or 0) * expert_parameters(arch)
        experts[layer] = int(routed * expert_number(layer))
        numbers[layer] -= routed
    return {
        "layers": tuple(size + small * rest for size, rest in zip(layers, numbers, strict=True)),
        "experts": tuple(experts),
        "embedding": ends["embed_tokens"],
        "head": ends["lm_head"],
        "norm": small * arch.hidden_size,
    }


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
    head = next(site for site in all_sites(arch) if site.name == "lm_head")
    if any(skips(name, head) for name in quantization.skipped):
        shared = ", shared with the embedding" if arch.tie_word_embeddings else ""
        told.append(f"The head stays for the sake of the logits{shared}.")
    elif arch.tie_word_embeddings:
        told.append("The head's weight is the embedding's own and stays.")
    told.append("Embeddings and norms stay: they are no linears.")
    others = [name for name in quantization.skipped if name != "lm_head"]
    if others:
        told.append(f"Left alone as asked: {', '.join(others)}.")
    return tuple(told)


def _gguf_bytes(arch: Architecture, quantization: Quantization) -> WeightBytes:
    file = quantization.kind.removeprefix("gguf-")
    parts = gguf_parts(arch, file)
    kept = sum(size // BLOCKS[kind][0] for kind, size in parts.items() if kind in UNQUANTIZED)

    def held(site: Site) -> int:
        return tensor_bytes(site.weight, site_type(arch, site, file))

    def expert_number(layer: int) -> float:
        down, others = (BLOCKS[kind] for kind in expert_types(arch, layer, file))
        return (down[0] / down[1] + 2 * others[0] / others[1]) / 3

    return WeightBytes(
        total=sum(parts.values()),
        by_part=parts,
        quantized_parameters=count_parameters(arch).total - kept,
        kept=("Norms and biases are float32; the head is q6_k where the rest is coarser.",),
        **_places(arch, held, expert_number, 4),
    )
