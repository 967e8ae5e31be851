"""The widths of a decoder layer, and how a step runs it: what a layer's trace depends on."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from explorer.budget.sites import feed_forward_width
from explorer.budget.tape import FLOAT32
from explorer.catalogue.architecture import Architecture

Attention = Literal["sdpa", "eager"]


@dataclass(frozen=True)
class Shape:
    """The widths of a layer, of one kind of layer for each value."""

    family: str
    hidden: int
    q_dim: int
    kv_dim: int
    heads: int
    kv_heads: int
    feed_forward: int
    experts: int = 0
    chosen: int = 0  # experts that a token is sent to
    crossing: bool = False
    rotates: bool = True
    normed_queries: bool = False
    chunk: int = 0  # positions that attend to each other; 0: all


@dataclass(frozen=True)
class Setting:
    """How a step runs: sizes are bytes a number.

    `stream` is the type of the hidden states and of the unquantized weights, `compute` what a
    quantized linear multiplies in, `adapter` what an adapter's weights are held in, `low_rank` what
    A x and B A x are computed in (as `adapter`, unless autocast makes it 16-bit) and `own` the
    gradient of a weight of the model itself.
    """

    batch: int
    length: int
    stream: int
    compute: int
    adapter: int = FLOAT32
    own: int = FLOAT32
    low_rank: int = FLOAT32
    quantization: str = "none"  # or "4bit", "int8"
    attention: Attention = "sdpa"
    masked: bool = False  # padded sequences: an explicit mask, key-value heads repeated
    on_gpu: bool = True

    @property
    def tokens(self) -> int:
        """Tokens in a micro-batch."""
        return self.batch * self.length


@lru_cache(maxsize=512)
def shapes_of(arch: Architecture) -> tuple[Shape, ...]:
    """The widths of each layer; layers of one kind share one Shape."""
    kinds: dict[Shape, Shape] = {}
    return tuple(
        kinds.setdefault(shape, shape)
        for shape in (_shape_of(arch, layer) for layer in range(arch.num_hidden_layers))
    )


def _shape_of(arch: Architecture, layer: int) -> Shape:
    return Shape(
        family=arch.model_type,
        hidden=arch.hidden_size,
        q_dim=arch.q_dim,
        kv_dim=arch.kv_dim,
        heads=arch.num_attention_heads,
        kv_heads=arch.num_key_value_heads,
        feed_forward=feed_forward_width(arch, layer),
        experts=(arch.num_local_experts or 0) if layer in arch.moe_layers else 0,
        chosen=arch.num_experts_per_tok or 0,
        crossing=layer in arch.cross_attention_layers,
        rotates=layer not in arch.no_rope_layers,
        normed_queries=arch.use_qk_norm and layer not in arch.no_rope_layers,
        chunk=0 if layer in arch.no_rope_layers else arch.attention_chunk_size or 0,
    )
