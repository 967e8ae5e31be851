"""The fields of a model in the order of its card: label, group, unit, and why a change matters."""

from dataclasses import dataclass

from explorer.catalogue.model import Model
from explorer.catalogue.record import Fact

GROUPS = (
    "about",
    "size",
    "attention",
    "positions",
    "feed-forward",
    "norm",
    "vocabulary",
    "context",
    "multimodality",
    "training data",
    "training run",
    "licence",
    "other",
)
UNCOMPARED = frozenset(
    {"about", "size", "training run", "other"}
)  # groups that a comparison leaves out


@dataclass(frozen=True)
class Field:
    """How one field of a model is shown; `why` says what depends on it."""

    name: str
    label: str
    group: str
    why: str = ""
    unit: str = ""


FIELDS = (
    Field("name", "Name", "about"),
    Field("release_date", "Released", "about"),
    Field("release_status", "Status", "about"),
    Field("variants", "Variants", "about"),
    Field("huggingface_repo", "Hugging Face repository", "about"),
    Field("based_on", "Built from", "about"),
    Field("official_total_params", "Parameters as published", "size"),
    Field("official_active_params", "Active parameters as published", "size"),
    Field("exact_total_params", "Parameters, counted", "size"),
    Field("exact_param_breakdown", "Counted by part", "size"),
    Field(
        "hidden_size", "Hidden size", "attention",
        "The width of the residual stream: all projections and both embedding tables grow with it.",
    ),
    Field(
        "num_hidden_layers", "Layers", "attention",
        "Depth multiplies everything a block holds: weights, cache and arithmetic.",
    ),
    Field(
        "num_attention_heads", "Query heads", "attention",
        "More heads look for more things at once; together with the head width they size q and o.",
    ),
    Field(
        "num_key_value_heads", "Key-value heads", "attention",
        "The KV cache holds these alone: fewer of them than query heads (grouped-query attention) "
        "shrink it by the same factor, which is what makes long contexts and large batches fit.",
    ),
    Field(
        "head_dim", "Head width", "attention",
        "The number of channels of a head: it scales the cache and the cost of every score.",
    ),
    Field(
        "num_self_attention_layers", "Self-attention layers", "attention",
        "Only these keep keys and values of the text.",
    ),
    Field(
        "use_qk_norm", "Query-key norm", "attention",
        "Normalising queries and keys keeps scores from growing, which steadies long trainings.",
    ),
    Field(
        "attention_chunk_size", "Attention chunk", "attention",
        "Within chunks, attention costs grow with the chunk and not with the whole length; the "
        "layers without rotation still see everything.",
        "tokens",
    ),
    Field(
        "attn_temperature_tuning", "Attention temperature", "attention",
        "Sharpens attention as the text grows, so that a long context does not wash scores out.",
    ),
    Field(
        "rope_theta", "RoPE base", "positions",
        "A larger base turns more slowly, so distances stay distinct further out: the ground for a "
        "longer context. It has no weights.",
    ),
    Field(
        "rope_scaling", "RoPE scaling", "positions",
        "Stretches the slow rotations of a model trained on a shorter context, so that it can "
        "read further than it was first trained for.",
    ),
    Field(
        "no_rope_layer_interval", "Layers without rotation", "positions",
        "Every so many layers leave positions out (NoPE) and attend to the whole context, which "
        "lets lengths beyond training generalise.",
    ),
    Field(
        "intermediate_size", "Feed-forward width", "feed-forward",
        "Most of a dense model's weights and arithmetic are here: three matrices of this width in "
        "each layer.",
    ),
    Field(
        "intermediate_size_mlp", "Dense feed-forward width", "feed-forward",
        "The width of the layers without experts, which stand between those that have them.",
    ),
    Field(
        "num_local_experts", "Experts in a layer", "feed-forward",
        "Experts add knowledge without arithmetic: all of them must be stored, few are visited.",
    ),
    Field(
        "num_experts_per_tok", "Experts a token visits", "feed-forward",
        "Sets the active parameters, hence the arithmetic for each token.",
    ),
    Field(
        "shared_expert", "Shared expert", "feed-forward",
        "One expert that sees every token keeps what all of them need in one place.",
    ),
    Field(
        "interleave_moe_layer_step", "Every n-th layer has experts", "feed-forward",
        "Alternating dense layers halve the experts that have to be stored.",
    ),
    Field("moe_layer_count", "Layers with experts", "feed-forward", "How often a token is routed."),
    Field(
        "rms_norm_eps", "RMSNorm ε", "norm",
        "Keeps the norm from dividing by nothing. A wrong value shifts every activation a little.",
    ),
    Field(
        "vocab_size", "Vocabulary", "vocabulary",
        "A larger vocabulary makes texts shorter in tokens, above all in other languages and in "
        "code, and costs two wider tables.",
        "tokens",
    ),
    Field(
        "tokenizer", "Tokenizer", "vocabulary",
        "How text is cut: prompts and token counts do not carry over from one to the other.",
    ),
    Field(
        "tie_word_embeddings", "Tied head", "vocabulary",
        "A tied head reuses the embedding table: a large saving in a small model.",
    ),
    Field(
        "max_context", "Context", "context",
        "How much can be read at once; the KV cache grows in step with what is used of it.",
        "tokens",
    ),
    Field(
        "pretraining_context", "Context in pre-training", "context",
        "Beyond it the model generalises; nothing that long was seen while it learned.",
        "tokens",
    ),
    Field(
        "modality", "Input → output", "multimodality",
        "Whether the model sees images, and what it answers with.",
    ),
    Field(
        "vision", "Vision encoder", "multimodality",
        "The encoder turns an image into tokens; its size is paid once an image, not once a token.",
    ),
    Field(
        "cross_attention_layers", "Cross-attention layers", "multimodality",
        "Image tokens enter here, beside a text model that stays as it was; early fusion instead "
        "puts them into the sequence.",
    ),
    Field(
        "num_cross_attention_layers", "Cross-attention layers, number", "multimodality",
        "Each adds the weights of a whole block.",
    ),
    Field(
        "training_tokens", "Training tokens", "training data",
        "More data for the same size makes a better small model, paid once in training and never "
        "in use.",
        "tokens",
    ),
    Field(
        "knowledge_cutoff", "Knowledge until", "training data",
        "What happened later is not in the weights.",
    ),
    Field("languages", "Languages", "training data", "What the maker supports and has tested."),
    Field(
        "distillation", "Distilled from", "training data",
        "Learning from a larger model's outputs gives a small one more than its data alone would.",
    ),
    Field("gpu_type", "Hardware", "training run"),
    Field("gpu_hours", "GPU hours", "training run", unit="h"),
    Field("gpu_hours_by_stage", "GPU hours by stage", "training run"),
    Field("training_power_w", "Power for each GPU", "training run", unit="W"),
    Field("training_energy_mwh", "Energy", "training run", unit="MWh"),
    Field("training_co2_tonnes", "Emissions", "training run", unit="t CO₂eq"),
    Field("training_flops", "Arithmetic", "training run", unit="FLOP"),
    Field("training_setup", "Set-up", "training run"),
    Field("learning_rate", "Learning rate", "training run"),
    Field("batch_size_tokens", "Batch", "training run", unit="tokens"),
    Field(
        "licence", "Licence", "licence",
        "What may be built on it, by whom, and under which name.",
    ),
    Field("infilling", "Fills in the middle", "other"),
    Field("quantization", "Released precision", "other"),
    Field("on_device", "Measured on a phone", "other"),
)  # fmt: skip
BY_NAME = {field.name: field for field in FIELDS}


def fields_by_group() -> dict[str, list[Field]]:
    """The fields under their groups; a fact that has no entry here yet is told under "other"."""
    listed = [*FIELDS, *(_unlisted(name) for name in fact_names() if name not in BY_NAME)]
    return {group: [field for field in listed if field.group == group] for group in GROUPS}


def fact_names() -> list[str]:
    """The names of a model's fields that hold a fact."""
    return [n for n, f in Model.model_fields.items() if "Fact[" in str(f.annotation)]


def _unlisted(name: str) -> Field:
    return Field(name, name.replace("_", " ").capitalize(), "other")


def fact(model: Model, field: Field) -> Fact | None:
    """The model's fact of this field, None where its file has nothing to say of it."""
    return getattr(model, field.name)
