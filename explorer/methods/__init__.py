"""The methods as peft tuners; importing this registers the survey's own three with peft."""

from explorer.methods.attach import attach
from explorer.methods.llama_adapter import LlamaAdapterConfig
from explorer.methods.llama_adapter_v2 import LlamaAdapterV2Config, permute_rotary_bias
from explorer.methods.llama_excitor import LlamaExcitorConfig
from explorer.methods.quantization import prepare_quantized
from explorer.methods.registry import build_config, names

__all__ = [
    "LlamaAdapterConfig",
    "LlamaAdapterV2Config",
    "LlamaExcitorConfig",
    "attach",
    "build_config",
    "names",
    "permute_rotary_bias",
    "prepare_quantized",
]
