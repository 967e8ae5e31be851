"""A LLaMA model: every field a fact with its source, and the architecture made of them."""

import datetime as dt
from functools import cached_property
from typing import Any, Literal

from explorer.catalogue.architecture import Architecture, VisionArchitecture
from explorer.catalogue.record import Fact, Sourced

Plain = bool | int | float | str | list[Any] | dict[str, Any]

# Facts that a forward pass needs; with any of them unknown there is no architecture.
SHAPE = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "vocab_size",
    "tie_word_embeddings",
    "rope_theta",
    "rms_norm_eps",
    "max_context",
)


class Model(Sourced):
    """One model of the catalogue; its id is the stem of its file."""

    id: str
    generation: str
    architecture_type: Literal["llama", "mllama", "llama4"] = "llama"
    # about
    name: Fact[str]
    release_date: Fact[dt.date]
    release_status: Fact[str]
    released: bool = True
    licence: Fact[str]
    modality: Fact[str]
    variants: Fact[list[str]]
    huggingface_repo: Fact[str]
    based_on: Fact[str] | None = None
    languages: Fact[Plain] | None = None
    # size
    official_total_params: Fact[str]
    official_active_params: Fact[str]
    exact_total_params: Fact[int]
    exact_param_breakdown: Fact[dict[str, int]]
    # attention, positions, feed-forward, norm, vocabulary
    hidden_size: Fact[int]
    num_hidden_layers: Fact[int]
    num_attention_heads: Fact[int]
    num_key_value_heads: Fact[int]
    head_dim: Fact[int]
    intermediate_size: Fact[int]
    vocab_size: Fact[int]
    tokenizer: Fact[str]
    tie_word_embeddings: Fact[bool]
    rope_theta: Fact[float]
    rope_scaling: Fact[dict[str, Any]]
    rms_norm_eps: Fact[float]
    max_context: Fact[int]
    # experts (Llama 4)
    num_local_experts: Fact[int]
    num_experts_per_tok: Fact[int]
    shared_expert: Fact[bool]
    interleave_moe_layer_step: Fact[int]
    intermediate_size_mlp: Fact[int]
    moe_layer_count: Fact[int] | None = None
    no_rope_layer_interval: Fact[int]
    attention_chunk_size: Fact[int]
    use_qk_norm: Fact[bool]
    attn_temperature_tuning: Fact[Plain]
    # images
    vision: Fact[VisionArchitecture]
    cross_attention_layers: Fact[list[int]] | None = None
    num_self_attention_layers: Fact[int] | None = None
    num_cross_attention_layers: Fact[int] | None = None
    # training
    training_tokens: Fact[int | float | str]
    pretraining_context: Fact[int] | None = None
    knowledge_cutoff: Fact[Plain]
    gpu_type: Fact[str]
    gpu_hours: Fact[int]
    gpu_hours_by_stage: Fact[dict[str, Any]] | None = None
    training_power_w: Fact[int | str]
    training_co2_tonnes: Fact[float]
    training_energy_mwh: Fact[float] | None = None
    training_flops: Fact[float] | None = None
    training_setup: Fact[dict[str, Any]] | None = None
    learning_rate: Fact[float | str] | None = None
    batch_size_tokens: Fact[int | str] | None = None
    distillation: Fact[Plain] | None = None
    # special features
    infilling: Fact[Plain] | None = None
    quantization: Fact[dict[str, Any]]
    on_device: Fact[dict[str, Any]] | None = None

    @cached_property
    def architecture(self) -> Architecture | None:
        """The shape, or None where a number that it needs was never published."""
        if any(getattr(self, field).value is None for field in SHAPE):
            return None
        return Architecture(
            model_type=self.architecture_type,
            **{field: getattr(self, field).value for field in SHAPE if field != "max_context"},
            max_position_embeddings=self.max_context.value,
            rope_scaling=self.rope_scaling.value,
            **self._experts(),
            no_rope_layers=self._no_rope_layers(),
            attention_chunk_size=self.attention_chunk_size.value,
            use_qk_norm=bool(self.use_qk_norm.value),
            cross_attention_layers=tuple(
                (self.cross_attention_layers and self.cross_attention_layers.value) or ()
            ),
            vision=self.vision.value,
        )

    def _experts(self) -> dict[str, Any]:
        if not self.num_local_experts.value:
            return {}
        step = self.interleave_moe_layer_step.value or 1
        layers = range(step - 1, self.num_hidden_layers.value or 0, step)
        return {
            "num_local_experts": self.num_local_experts.value,
            "num_experts_per_tok": self.num_experts_per_tok.value,
            "moe_layers": tuple(layers),
            "intermediate_size_mlp": self.intermediate_size_mlp.value,
        }

    def _no_rope_layers(self) -> tuple[int, ...]:
        every = self.no_rope_layer_interval.value
        if not every:
            return ()
        return tuple(range(every - 1, self.num_hidden_layers.value or 0, every))
