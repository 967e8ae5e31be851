"""Attention with LLaMA-Adapter's prompts (arXiv:2303.16199, equations 3 to 6).

In a layer with prompts P [K, d], with the normed hidden states x and the rotation R,

    q = R(Wq x), k = R(Wk x), v = Wv x                as in the base
    pk = Wk P,   pv = Wv P                            the frozen weights; no norm, no rotation
    o  = softmax(q kᵀ/√h + causal) v + tanh(g) softmax(q pkᵀ/√h) pv
    y  = Wo o

with two separate softmaxes, no mask over the prompts and one gate g a head. P starts as N(0, 1)
and g as zero, so that training starts from the base model. Where the base projects keys and values
with a bias, pk and pv have it too: they are what the base module gives for P.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache

from explorer.methods.attention import (
    PositionEmbeddings,
    attend,
    attend_to_prompt,
    family,
    split_heads,
)
from explorer.methods.llama_adapter.config import LlamaAdapterConfig
from explorer.methods.tuner import AttentionLayer, AttentionOutput


class LlamaAdapterLayer(AttentionLayer):
    """Attention with prompts.

    `llama_adapter_prompt[adapter]` is P, [K, d]; `llama_adapter_gate[adapter]` is g, [H]. Both are
    float32 and are cast to the type of the hidden states in every forward pass.
    """

    adapter_layer_names = ("llama_adapter_prompt", "llama_adapter_gate")
    other_param_names = ("strength", "gate_activation")

    def __init__(self, base_layer: nn.Module) -> None:
        super().__init__(base_layer)
        self.gate_activation: dict[str, str] = {}

    def update_layer(self, adapter_name: str, config: LlamaAdapterConfig) -> None:
        """Add the tensors of an adapter, at their initial values."""
        attention = self.base_layer
        place = {"device": next(attention.parameters()).device, "dtype": torch.float32}
        prompt = torch.randn(config.adapter_len, attention.config.hidden_size, **place)
        gate = torch.zeros(attention.config.num_attention_heads, **place)
        self.llama_adapter_prompt[adapter_name] = nn.Parameter(prompt)
        self.llama_adapter_gate[adapter_name] = nn.Parameter(gate)
        self.gate_activation[adapter_name] = config.gate_activation
        self.strength[adapter_name] = 1.0

    def adapted(
        self,
        hidden_states: Tensor,
        position_embeddings: PositionEmbeddings,
        attention_mask: Tensor | None,
        past_key_values: Cache | None,
        **kwargs: Any,
    ) -> AttentionOutput:
        attention = self.base_layer
        query, key, value = family(attention).project(
            attention, hidden_states, position_embeddings, past_key_values
        )
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, attention.layer_idx)
        heads, weights = attend(attention, attention, (query, key, value), attention_mask, **kwargs)
        for name in self.running_adapters():
            heads = heads + self.prompt_term(name, query, hidden_states.dtype)
        return heads, weights

    def prompt_term(self, adapter_name: str, query: Tensor, dtype: torch.dtype) -> Tensor:
        """tanh(g) softmax(q pkᵀ/√h) pv, [B, M, H, h], from the rotated query [B, H, M, h]."""
        attention = self.base_layer
        prompt = self.llama_adapter_prompt[adapter_name].to(dtype)
        keys = split_heads(attention.k_proj(prompt), attention.head_dim)  # [G, K, h]
        values = split_heads(attention.v_proj(prompt), attention.head_dim)
        gate = self.llama_adapter_gate[adapter_name]
        if self.gate_activation[adapter_name] == "tanh":
            gate = torch.tanh(gate)
        gate = self.strength[adapter_name] * gate
        return attend_to_prompt(query, keys, values, gate, attention.scaling)
