"""A LLaMA model: every field a fact with its source, and the architecture made of them."""

import datetime as dt
from functools import cached_property
from typing import Any, Literal

from pydantic import model_validator

from explorer.catalogue.architecture import Architecture, VisionArchitecture
from explorer.catalogue.record import Fact, Sourced, facts_of

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

# Facts that every file of this architecture type must state; elsewhere they do not apply.
STATED = {
    "llama": (),
    "mllama": ("vision", "cross_attention_layers"),
    "llama4": (
        "num_local_experts",
        "num_experts_per_tok",
        "shared_expert",
        "interleave_moe_layer_step",
        "intermediate_size_mlp",
        "no_rope_layer_interval",
        "attention_chunk_size",
        "use_qk_norm",
        "attn_temperature_tuning",
        "vision",
        "official_active_params",
    ),
}
DENSE = "does not apply: a dense model has no experts"
ALL_ROTATE = "does not apply: every layer rotates its queries and keys"
FULL_CAUSAL = "does not apply: every layer attends to all earlier tokens"
NO_QK_NORM = "does not apply: queries and keys are not normalised"
TEXT_ONLY = "does not apply: reads text only"


class Model(Sourced):
    """One model of the catalogue; its id is the stem of its file.

    A fact that does not apply to the model's architecture type may be left out; any other fact
    that is not known is written as a note that says why.
    """

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
    languages: Fact[list[str]] | None = None
    # size
    official_total_params: Fact[str]
    official_active_params: Fact[str] = Fact[str](note="dense model: all parameters are active")
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
    num_local_experts: Fact[int] = Fact[int](note=DENSE)
    num_experts_per_tok: Fact[int] = Fact[int](note=DENSE)
    shared_expert: Fact[bool] = Fact[bool](note=DENSE)
    interleave_moe_layer_step: Fact[int] = Fact[int](note=DENSE)
    intermediate_size_mlp: Fact[int] = Fact[int](note=DENSE)
    moe_layer_count: Fact[int] | None = None
    no_rope_layer_interval: Fact[int] = Fact[int](note=ALL_ROTATE)
    attention_chunk_size: Fact[int] = Fact[int](note=FULL_CAUSAL)
    use_qk_norm: Fact[bool] = Fact[bool](note=NO_QK_NORM)
    attn_temperature_tuning: Fact[Plain] = Fact[Plain](note=FULL_CAUSAL)
    # images
    vision: Fact[VisionArchitecture] = Fact[VisionArchitecture](note=TEXT_ONLY)
    cross_attention_layers: Fact[list[int]] | None = None
    num_self_attention_layers: Fact[int] | None = None
    num_cross_attention_layers: Fact[int] | None = None
    # training
    training_tokens: Fact[int | str]
    pretraining_context: Fact[int] | None = None
    knowledge_cutoff: Fact[str]
    gpu_type: Fact[str]
    gpu_hours: Fact[int | float]
    gpu_hours_by_stage: Fact[dict[str, int]] | None = None
    training_power_w: Fact[int | str]
    training_co2_tonnes: Fact[float]
    training_energy_mwh: Fact[float] | None = None
    training_flops: Fact[float] | None = None
    training_setup: Fact[dict[str, Any]] | None = None
    learning_rate: Fact[float] | None = None
    batch_size_tokens: Fact[int] | None = None
    distillation: Fact[str] | None = None
    # special features
    infilling: Fact[bool] | None = None
    quantization: Fact[str | dict[str, Any]]
    on_device: Fact[dict[str, float]] | None = None

    @model_validator(mode="after")
    def _states_what_its_type_needs(self) -> "Model":
        missing = [name for name in STATED[self.architecture_type] if not self._states(name)]
        if missing:
            raise ValueError(
                f"architecture_type = {self.architecture_type!r} needs {', '.join(missing)}"
            )
        return self

    def _states(self, name: str) -> bool:
        return name in self.model_fields_set

    @property
    def unknown_shape(self) -> dict[str, str]:
        """The facts that are missing for an architecture, each with the reason."""
        facts = {name: getattr(self, name) for name in SHAPE}
        return {name: fact.note for name, fact in facts.items() if fact.value is None}

    @property
    def why_no_shape(self) -> str:
        """A sentence that names what is missing for an architecture."""
        first, *others = [f"{name} is {why}" for name, why in self.unknown_shape.items()]
        more = f", and so on for {len(others)} more" if others else ""
        return f"Nothing of {self.id!r} can be counted: its {first}{more}."

    @property
    def disputed(self) -> dict[str, Fact[Any]]:
        """The facts that sources disagree on, by name."""
        return {name: fact for name, fact in facts_of(self).items() if fact.disputed}

    @cached_property
    def architecture(self) -> Architecture | None:
        """The shape, or None where `unknown_shape` names what is not known of it."""
        if self.unknown_shape:
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
        dense = {"intermediate_size_mlp": self.intermediate_size_mlp.value}
        if not self.num_local_experts.value:
            return dense
        step = self.interleave_moe_layer_step.value or 1
        return dense | {
            "num_local_experts": self.num_local_experts.value,
            "num_experts_per_tok": self.num_experts_per_tok.value,
            "moe_layers": tuple(range(step - 1, self.num_hidden_layers.value or 0, step)),
        }

    def _no_rope_layers(self) -> tuple[int, ...]:
        every = self.no_rope_layer_interval.value
        if not every:
            return ()
        return tuple(range(every - 1, self.num_hidden_layers.value or 0, every))
