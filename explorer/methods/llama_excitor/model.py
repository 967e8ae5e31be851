"""LLaMA-Excitor as a peft tuner: extra keys in the attention of the top layers."""

from torch import nn

from explorer.methods.llama_excitor.config import LlamaExcitorConfig
from explorer.methods.llama_excitor.layer import LlamaExcitorLayer
from explorer.methods.tuner import LlamaTuner, layers_from_top


class LlamaExcitorModel(LlamaTuner):
    """LLaMA-Excitor (arXiv:2404.00913) around a LLaMA, as `get_peft_model` builds it."""

    prefix = "llama_excitor_"
    tuner_layer_cls = LlamaExcitorLayer
    method = "LLaMA-Excitor"

    def find_targets(
        self, peft_config: LlamaExcitorConfig, model: nn.Module, attentions: list[str]
    ) -> list[str]:
        wanted = layers_from_top(len(attentions), peft_config.adapter_layers, skipped=2)
        return attentions[-wanted:]
