"""The shape of a LLaMA: what a forward pass needs, under the names that transformers uses."""

from functools import cached_property
from typing import Any, Literal

from pydantic import Field, model_validator

from explorer.catalogue.record import Record

Positive = Field(gt=0, le=10**7)


class VisionArchitecture(Record):
    """The image encoder and the projector of a multimodal LLaMA (Mllama or Llama 4)."""

    hidden_size: int = Positive
    num_hidden_layers: int = Positive
    num_attention_heads: int = Positive
    intermediate_size: int = Positive
    image_size: int = Positive
    patch_size: int = Positive
    num_channels: int = Field(default=3, gt=0, le=64)
    # Mllama: gated global layers after the local ones, tiles, and which local layers are kept.
    num_global_layers: int = Field(default=0, ge=0, le=10**4)
    max_num_tiles: int = Field(default=1, gt=0, le=64)
    max_aspect_ratio_id: int = Field(default=0, ge=0, le=4096)
    intermediate_layers_indices: tuple[int, ...] = ()
    vision_output_dim: int = Positive
    # Llama 4: the encoder rotates too; pixel shuffle and the two-layer adapter behind it.
    rope_theta: float | None = Field(default=None, gt=0)
    pixel_shuffle_ratio: float = Field(default=1.0, gt=0, le=1)
    projector_input_dim: int = Field(default=0, ge=0, le=10**7)
    projector_output_dim: int = Field(default=0, ge=0, le=10**7)


class Architecture(Record):
    """A text model's shape and, where it sees images, its vision part's."""

    model_type: Literal["llama", "mllama", "llama4"] = "llama"
    hidden_size: int = Positive
    intermediate_size: int = Positive
    num_hidden_layers: int = Field(gt=0, le=10_000)
    num_attention_heads: int = Positive
    num_key_value_heads: int = Positive
    head_dim: int = Positive
    vocab_size: int = Positive
    tie_word_embeddings: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    rms_norm_eps: float = Field(default=1e-5, gt=0, lt=1)
    max_position_embeddings: int = Field(default=2048, gt=0, le=10**9)
    rope_theta: float = Field(default=10_000.0, gt=0)
    rope_scaling: dict[str, Any] | None = None
    # Mixture of experts (Llama 4). `intermediate_size` is then an expert's width, and
    # `intermediate_size_mlp` the width of the layers without experts.
    num_local_experts: int | None = Field(default=None, gt=0, le=100_000)
    num_experts_per_tok: int | None = Field(default=None, gt=0, le=100_000)
    moe_layers: tuple[int, ...] = ()
    intermediate_size_mlp: int | None = Field(default=None, gt=0, le=10**7)
    no_rope_layers: tuple[int, ...] = ()  # layers that do not rotate queries and keys
    attention_chunk_size: int | None = Field(default=None, gt=0, le=10**9)
    use_qk_norm: bool = False  # an L2 norm without weights
    # Mllama
    cross_attention_layers: tuple[int, ...] = ()
    vision: VisionArchitecture | None = None

    @model_validator(mode="after")
    def _parts_fit(self) -> "Architecture":
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_attention_heads = {self.num_attention_heads} is not a multiple of "
                f"num_key_value_heads = {self.num_key_value_heads}"
            )
        for name in ("moe_layers", "no_rope_layers", "cross_attention_layers"):
            outside = [i for i in getattr(self, name) if not 0 <= i < self.num_hidden_layers]
            if outside:
                raise ValueError(
                    f"{name} names layer {outside[0]}, but layers run from 0 to "
                    f"{self.num_hidden_layers - 1}"
                )
        if self.moe_layers and not (self.num_local_experts and self.num_experts_per_tok):
            raise ValueError("moe_layers needs num_local_experts and num_experts_per_tok")
        return self

    @cached_property
    def fingerprint(self) -> int:
        """A hash of all fields but rope_scaling, a dict: equal shapes have equal ones."""
        names = (name for name in type(self).model_fields if name != "rope_scaling")
        return hash(tuple(getattr(self, name) for name in names))

    def __hash__(self) -> int:
        return self.fingerprint

    @property
    def q_dim(self) -> int:
        """Width of all query heads together: num_attention_heads · head_dim."""
        return self.num_attention_heads * self.head_dim

    @property
    def kv_dim(self) -> int:
        """Width of all key (or value) heads together: num_key_value_heads · head_dim."""
        return self.num_key_value_heads * self.head_dim

    @property
    def num_key_value_groups(self) -> int:
        """Query heads that share one key-value head."""
        return self.num_attention_heads // self.num_key_value_heads

    @property
    def self_attention_layers(self) -> tuple[int, ...]:
        """Indices of the layers with self-attention (all but Mllama's cross-attention layers)."""
        crossing = set(self.cross_attention_layers)
        return tuple(i for i in range(self.num_hidden_layers) if i not in crossing)

    @property
    def is_moe(self) -> bool:
        """Whether any layer routes tokens to experts."""
        return bool(self.moe_layers)
