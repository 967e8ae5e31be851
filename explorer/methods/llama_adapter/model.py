"""LLaMA-Adapter (V1) as a peft tuner: prompts in the attention of the top layers."""

from torch import nn

from explorer.methods.llama_adapter.config import LlamaAdapterConfig
from explorer.methods.llama_adapter.layer import LlamaAdapterLayer
from explorer.methods.tuner import LlamaTuner, layers_from_top


class LlamaAdapterModel(LlamaTuner):
    """LLaMA-Adapter V1 (arXiv:2303.16199) around a LLaMA, as `get_peft_model` builds it."""

    prefix = "llama_adapter_"
    tuner_layer_cls = LlamaAdapterLayer
    method = "LLaMA-Adapter"

    def find_targets(
        self, peft_config: LlamaAdapterConfig, model: nn.Module, attentions: list[str]
    ) -> list[str]:
        wanted = layers_from_top(len(attentions), peft_config.adapter_layers, skipped=2)
        return attentions[-wanted:]
