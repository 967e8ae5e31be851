"""LLaMA-Excitor: attention over the keys k + g·e(x), with values left alone. arXiv:2404.00913."""

from peft.utils import register_peft_method

from explorer.methods.llama_excitor.config import LlamaExcitorConfig
from explorer.methods.llama_excitor.layer import LlamaExcitorLayer
from explorer.methods.llama_excitor.model import LlamaExcitorModel

__all__ = ["LlamaExcitorConfig", "LlamaExcitorLayer", "LlamaExcitorModel"]

register_peft_method(
    name="llama_excitor", config_cls=LlamaExcitorConfig, model_cls=LlamaExcitorModel
)
