"""The methods as peft tuners; importing this registers the survey's own three with peft."""

from explorer.methods.llama_adapter import LlamaAdapterConfig
from explorer.methods.llama_adapter_v2 import LlamaAdapterV2Config, permute_rotary_bias
from explorer.methods.llama_excitor import LlamaExcitorConfig

__all__ = [
    "LlamaAdapterConfig",
    "LlamaAdapterV2Config",
    "LlamaExcitorConfig",
    "permute_rotary_bias",
]
