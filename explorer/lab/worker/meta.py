"""Models on torch's meta device: a shape as transformers builds it, without memory for weights."""

from typing import Any

import torch
from transformers import (
    Llama4Config,
    Llama4ForCausalLM,
    Llama4ForConditionalGeneration,
    Llama4TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MllamaConfig,
    MllamaForCausalLM,
    MllamaForConditionalGeneration,
    PreTrainedModel,
)
from transformers.initialization import no_init_weights
from transformers.models.mllama.configuration_mllama import MllamaTextConfig
from transformers.utils import logging

from explorer.catalogue.architecture import Architecture, VisionArchitecture

TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
SHARED = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
    "rms_norm_eps",
    "max_position_embeddings",
)


def text_config(arch: Architecture) -> dict[str, Any]:
    """The text part of the Hugging Face config of this shape."""
    config = {name: getattr(arch, name) for name in SHARED} | TOKENS
    config["rope_parameters"] = {"rope_type": "default", "rope_theta": arch.rope_theta}
    config["tie_word_embeddings"] = arch.tie_word_embeddings
    if arch.model_type == "mllama":
        return config | {"cross_attention_layers": list(arch.cross_attention_layers)}
    config |= {"head_dim": arch.head_dim, "attention_bias": arch.attention_bias}
    if arch.model_type == "llama":
        return config | {"mlp_bias": arch.mlp_bias}
    return config | {
        "moe_layers": list(arch.moe_layers),
        "num_local_experts": arch.num_local_experts or 1,
        "num_experts_per_tok": arch.num_experts_per_tok or 1,
        "intermediate_size_mlp": arch.intermediate_size_mlp or arch.intermediate_size,
        "attention_chunk_size": arch.attention_chunk_size,
        "no_rope_layers": [
            int(layer not in arch.no_rope_layers) for layer in range(arch.num_hidden_layers)
        ],
        "use_qk_norm": arch.use_qk_norm,
    }


def vision_config(arch: VisionArchitecture, model_type: str) -> dict[str, Any]:
    """The vision part of the Hugging Face config of this shape."""
    vision = arch.model_dump()
    if model_type == "mllama":
        vision["attention_heads"] = vision.pop("num_attention_heads")
        ratios = vision.pop("max_aspect_ratio_id")
        if ratios != 8:
            vision["supported_aspect_ratios"] = [[1, 1 + i] for i in range(ratios)]
        unused = ("pixel_shuffle_ratio", "projector_input_dim", "projector_output_dim")
    else:
        unused = (
            "num_global_layers",
            "max_num_tiles",
            "max_aspect_ratio_id",
            "intermediate_layers_indices",
        )
    config = {name: value for name, value in vision.items() if name not in unused}
    if model_type == "llama4":
        config["rope_parameters"] = {"rope_type": "default", "rope_theta": 10_000.0}
    if "intermediate_layers_indices" in config:
        config["intermediate_layers_indices"] = list(config["intermediate_layers_indices"])
    return config


def build(arch: Architecture) -> PreTrainedModel:
    """The transformers model of this shape, on the device that is current."""
    text = text_config(arch)
    logging.set_verbosity_error()
    if arch.model_type == "llama":
        return LlamaForCausalLM(LlamaConfig(**text))
    sighted = arch.vision and vision_config(arch.vision, arch.model_type)
    if arch.model_type == "mllama":
        if not sighted:
            return MllamaForCausalLM(MllamaTextConfig(**text))
        return MllamaForConditionalGeneration(MllamaConfig(text_config=text, vision_config=sighted))
    if not sighted:
        return Llama4ForCausalLM(Llama4TextConfig(**text))
    return Llama4ForConditionalGeneration(Llama4Config(text_config=text, vision_config=sighted))


def meta_model(arch: Architecture) -> PreTrainedModel:
    """The model of this shape without memory for its weights, and without drawing them."""
    with torch.device("meta"), no_init_weights():
        model = build(arch)
    model.tie_weights()
    return model


def counted(model: torch.nn.Module, trainable: bool = False) -> int:
    """Numbers in the model's parameters, tied ones once; with `trainable` of those that train."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)
