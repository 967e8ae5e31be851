"""LLaMA-Adapter (V1): o = softmax(q kᵀ/√h) v + tanh(g) softmax(q pkᵀ/√h) pv. arXiv:2303.16199."""

from peft.utils import register_peft_method

from explorer.methods.llama_adapter.config import LlamaAdapterConfig
from explorer.methods.llama_adapter.layer import LlamaAdapterLayer
from explorer.methods.llama_adapter.model import LlamaAdapterModel

__all__ = ["LlamaAdapterConfig", "LlamaAdapterLayer", "LlamaAdapterModel"]

register_peft_method(
    name="llama_adapter", config_cls=LlamaAdapterConfig, model_cls=LlamaAdapterModel
)
