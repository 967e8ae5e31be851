"""Attention with LLaMA-Excitor's extra keys (arXiv:2404.00913).

In a layer with prompts P [K, H·h] and the low-rank map U D, with the normed hidden states x and the
base's rotated queries q, keys k and values v,

    e = softmax(U D x Pᵀ / √h) P                      P is key and value at once; no projection
    y = Wo softmax((q kᵀ + g q eᵀ) / √h + causal) v

As q kᵀ + g q eᵀ = q (k + g e)ᵀ, this is the base's attention with the keys k + g·e: one softmax,
any attention implementation, and a cache that stores what it always stores, keys and values. e has
H heads; where the base shares a key-value head among several query heads, its keys are widened
before the sum and stored side by side, [B, G, M, (H/G)·h], so that a cache sees G heads as ever.

P starts as N(0, 1), D and U kaiming-uniform, g at `gate_init`. With g = 0 and U = 0 no gradient
would reach anything; with g = 0 alone the gates move first, as in LLaMA-Adapter.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache

from explorer.catalogue.errors import ExplorerError
from explorer.methods.attention import (
    PositionEmbeddings,
    attend,
    family,
    softmax,
    split_heads,
)
from explorer.methods.llama_excitor.config import LlamaExcitorConfig
from explorer.methods.tuner import AttentionLayer, AttentionOutput


class LlamaExcitorLayer(AttentionLayer):
    """Attention over k + g·e.

    `llama_excitor_prompt[adapter]` is P [K, H·h], `llama_excitor_down[adapter]` D [r, d],
    `llama_excitor_up[adapter]` U [H·h, r] and `llama_excitor_gate[adapter]` g, [H] or [1]. They are
    float32 and are cast to the type of the hidden states in every forward pass.
    """

    adapter_layer_names = (
        "llama_excitor_prompt",
        "llama_excitor_down",
        "llama_excitor_up",
        "llama_excitor_gate",
    )
    other_param_names = ("strength", "configs")
    num_key_value_groups = 1  # keys and values reach the attention with all H heads

    def __init__(self, base_layer: nn.Module) -> None:
        super().__init__(base_layer)
        self.configs: dict[str, LlamaExcitorConfig] = {}

    def update_layer(self, adapter_name: str, config: LlamaExcitorConfig) -> None:
        """Add the tensors of an adapter, at their initial values."""
        attention = self.base_layer
        place = {"device": next(attention.parameters()).device, "dtype": torch.float32}
        heads, hidden_size = attention.config.num_attention_heads, attention.config.hidden_size
        width = heads * attention.head_dim
        prompt = torch.randn(config.adapter_len, width, **place)
        down = torch.empty(config.r, hidden_size, **place)
        up = torch.empty(width, config.r, **place)
        gate = torch.full((heads if config.gate_per_head else 1,), config.gate_init, **place)
        for matrix in (down, up):
            nn.init.kaiming_uniform_(matrix, a=math.sqrt(5))
        self.llama_excitor_prompt[adapter_name] = nn.Parameter(prompt)
        self.llama_excitor_down[adapter_name] = nn.Parameter(down)
        self.llama_excitor_up[adapter_name] = nn.Parameter(up)
        self.llama_excitor_gate[adapter_name] = nn.Parameter(gate)
        self.configs[adapter_name] = config
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
        groups = query.shape[1] // key.shape[1]
        key = key.repeat_interleave(groups, dim=1)
        for name in self.running_adapters():
            key = key + self.extra_key(name, hidden_states, position_embeddings).to(key.dtype)
        if past_key_values is not None:
            narrow = key.unflatten(1, (-1, groups)).transpose(2, 3).flatten(-2)  # [B, G, M, n·h]
            make_room(past_key_values, attention.layer_idx, narrow, value)
            narrow, value = past_key_values.update(narrow, value, attention.layer_idx)
            key = narrow.unflatten(-1, (groups, -1)).transpose(2, 3).flatten(1, 2)
        value = value.repeat_interleave(groups, dim=1)
        return attend(self, attention, (query, key, value), attention_mask, **kwargs)

    def extra_key(
        self, adapter_name: str, hidden_states: Tensor, position_embeddings: PositionEmbeddings
    ) -> Tensor:
        """g·e for the positions of the hidden states [B, M, d], as [B, H, M, h]."""
        attention, config = self.base_layer, self.configs[adapter_name]
        prompt, down, up, gate = (
            getattr(self, name)[adapter_name].to(hidden_states.dtype)
            for name in self.adapter_layer_names
        )
        query = nn.functional.linear(nn.functional.linear(hidden_states, down), up)
        if config.per_head:
            query = split_heads(query, attention.head_dim)  # [B, H, M, h]
            prompt = split_heads(prompt, attention.head_dim)  # [H, K, h]
        scores = torch.matmul(query, prompt.transpose(-1, -2)) / math.sqrt(prompt.shape[-1])
        extra = torch.matmul(softmax(scores), prompt)
        if not config.per_head:
            extra = split_heads(extra, attention.head_dim)
        if config.rotate:
            extra = family(attention).rotate(attention, extra, position_embeddings)
        if config.activation == "tanh":
            gate = torch.tanh(gate)
        return (self.strength[adapter_name] * gate)[:, None, None] * extra


def make_room(cache: Cache, layer_idx: int, keys: Tensor, values: Tensor) -> None:
    """Widen a layer of a cache that was laid out for the base's keys and is still empty.

    `StaticCache.early_initialization` allocates a layer before the first keys [B, G, M, n·h] are
    seen. Raises ExplorerError when the layer already holds keys of another width: they were
    computed without this adapter.
    """
    layer = cache.layers[layer_idx] if layer_idx < len(cache.layers) else None
    laid_out = layer is not None and layer.is_initialized and layer.keys.ndim == keys.ndim
    if not laid_out or layer.keys.shape[-1] == keys.shape[-1]:
        return
    if layer.get_seq_length() > 0:
        raise ExplorerError(
            f"The cache of layer {layer_idx} holds keys of width {layer.keys.shape[-1]}, and "
            f"LLaMA-Excitor's have width {keys.shape[-1]}: it was filled without this adapter. "
            "Start with an empty cache."
        )
    layer.lazy_initialization(keys, values)
