"""LLaMA-Adapter V2: y = W(s ⊙ x) + b on every linear, trained norms, late prompts, early images.

arXiv:2304.15010.
"""

from peft.utils import register_peft_method

from explorer.methods.llama_adapter_v2.config import LlamaAdapterV2Config
from explorer.methods.llama_adapter_v2.layer import LlamaAdapterV2Layer
from explorer.methods.llama_adapter_v2.model import LlamaAdapterV2Model
from explorer.methods.llama_adapter_v2.rotary import permute_rotary_bias

__all__ = [
    "LlamaAdapterV2Config",
    "LlamaAdapterV2Layer",
    "LlamaAdapterV2Model",
    "permute_rotary_bias",
]

register_peft_method(
    name="llama_adapter_v2", config_cls=LlamaAdapterV2Config, model_cls=LlamaAdapterV2Model
)
