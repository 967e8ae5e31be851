"""Attention of LLaMA-Adapter V2: prompts in the late layers, image tokens in the first ones.

As in V1, o = softmax(q kᵀ/√h + causal) v + tanh(g) softmax(q pkᵀ/√h) pv with pk, pv from the
prompts P, except that Wk and Wv here carry the adapter's scale and bias (their LoRA, if any, is
left out, as the authors do). In early fusion the same term, with a gate of its own, reads image
tokens [B, T, d] that the caller has projected to the hidden size: `model(…, visual_tokens=tokens)`
or, around `generate` too, `with model.seeing(tokens):`.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache

from explorer.catalogue.errors import ExplorerError
from explorer.methods.attention import (
    PositionEmbeddings,
    attend,
    attend_to_prompt,
    family,
    split_heads,
)
from explorer.methods.llama_adapter_v2.config import LlamaAdapterV2Config
from explorer.methods.llama_adapter_v2.layer import AffineLinear, LlamaAdapterV2Layer
from explorer.methods.tuner import AttentionLayer, AttentionOutput, layers_from_top

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")

NO_EYES = "The adapter {!r} takes no visual_tokens: it was made with visual_tokens = 0."


class LlamaAdapterV2Attention(AttentionLayer, LlamaAdapterV2Layer):
    """Attention whose four linears are `AffineLinear`s, with, in the late layers, prompts
    `llama_adapter_v2_prompt[adapter]` [K, d] and gates `llama_adapter_v2_gate[adapter]` [H], and
    in the first ones gates `llama_adapter_v2_visual_gate[adapter]` [H] for image tokens.
    """

    adapter_layer_names = (
        "llama_adapter_v2_prompt",
        "llama_adapter_v2_gate",
        "llama_adapter_v2_visual_gate",
    )
    other_param_names = ("strength", "configs")

    def __init__(self, base_layer: nn.Module) -> None:
        super().__init__(base_layer)
        self.configs: dict[str, LlamaAdapterV2Config] = {}
        for name in PROJECTIONS:
            setattr(base_layer, name, AffineLinear(getattr(base_layer, name)))

    def update_layer(self, adapter_name: str, config: LlamaAdapterV2Config) -> None:
        """Add the tensors of an adapter, at their initial values."""
        attention = self.base_layer
        for name in PROJECTIONS:
            getattr(attention, name).update_layer(adapter_name, config)
        place = {"device": next(attention.parameters()).device, "dtype": torch.float32}
        sizes = attention.config
        layers = sizes.num_hidden_layers
        late = layers_from_top(layers, config.adapter_layers, skipped=1)
        if config.adapter_len and attention.layer_idx >= layers - late:
            prompt = torch.randn(config.adapter_len, sizes.hidden_size, **place)
            gate = torch.zeros(sizes.num_attention_heads, **place)
            self.llama_adapter_v2_prompt[adapter_name] = nn.Parameter(prompt)
            self.llama_adapter_v2_gate[adapter_name] = nn.Parameter(gate)
        if config.visual_tokens and attention.layer_idx < config.visual_layers:
            gate = torch.zeros(sizes.num_attention_heads, **place)
            self.llama_adapter_v2_visual_gate[adapter_name] = nn.Parameter(gate)
        self.configs[adapter_name] = config
        self.strength[adapter_name] = 1.0

    def has_tokens(self, adapter_name: str) -> bool:
        """Whether the adapter attends to prompts or image tokens here."""
        return (
            adapter_name in self.llama_adapter_v2_prompt
            or adapter_name in self.llama_adapter_v2_visual_gate
        )

    def running_adapters(self) -> list[str]:
        """The adapters that add a term here; the four linears look after themselves."""
        return [name for name in super().running_adapters() if self.has_tokens(name)]

    def adapted(
        self,
        hidden_states: Tensor,
        position_embeddings: PositionEmbeddings,
        attention_mask: Tensor | None,
        past_key_values: Cache | None,
        visual_tokens: Tensor | None = None,
        **kwargs: Any,
    ) -> AttentionOutput:
        attention, name = self.base_layer, self.running_adapter()
        query, key, value = family(attention).project(
            attention, hidden_states, position_embeddings, past_key_values
        )
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, attention.layer_idx)
        heads, weights = attend(attention, attention, (query, key, value), attention_mask, **kwargs)
        if name in self.llama_adapter_v2_prompt:
            prompt = self.llama_adapter_v2_prompt[name].to(hidden_states.dtype)
            gate = self.llama_adapter_v2_gate[name]
            heads = heads + self.term(name, query, prompt, gate)
        if visual_tokens is not None and not self.configs[name].visual_tokens:
            raise ExplorerError(NO_EYES.format(name))
        if visual_tokens is not None and name in self.llama_adapter_v2_visual_gate:
            tokens = self.checked(name, visual_tokens, hidden_states)
            gate = self.llama_adapter_v2_visual_gate[name]
            heads = heads + self.term(name, query, tokens, gate)
        return heads, weights

    def term(self, adapter_name: str, query: Tensor, tokens: Tensor, gate: Tensor) -> Tensor:
        """tanh(g) softmax(q pkᵀ/√h) pv, [B, M, H, h]; tokens [K, d] or [B, K, d]."""
        attention = self.base_layer
        keys, values = (
            split_heads(linear.affine(adapter_name, tokens), attention.head_dim)
            for linear in (attention.k_proj, attention.v_proj)
        )
        if self.configs[adapter_name].gate_activation == "tanh":
            gate = torch.tanh(gate)
        gate = self.strength[adapter_name] * gate
        return attend_to_prompt(query, keys, values, gate, attention.scaling)

    def checked(self, adapter_name: str, tokens: Tensor, hidden_states: Tensor) -> Tensor:
        """The image tokens, if they have the shape that the adapter was made for."""
        sequences, hidden_size = hidden_states.shape[0], hidden_states.shape[-1]
        wanted = (sequences, self.configs[adapter_name].visual_tokens, hidden_size)
        if tuple(tokens.shape[1:]) != wanted[1:] or sequences % max(len(tokens), 1):
            raise ExplorerError(
                f"visual_tokens has the shape {tuple(tokens.shape)}: it takes {wanted}, that is "
                "sequences, image tokens, hidden size."
            )
        # beam search asks several times about one sequence
        tokens = tokens.repeat_interleave(sequences // len(tokens), dim=0)
        return tokens.to(hidden_states.dtype)

    def unload_and_optionally_merge_module(
        self, merge: bool, safe_merge: bool, adapter_names: list[str] | None
    ) -> nn.Module:
        """The base attention with its four linears put back, the adapter folded in if asked."""
        for name in PROJECTIONS:
            linear = getattr(self.base_layer, name)
            if merge:
                linear.merge(safe_merge, adapter_names)
            setattr(self.base_layer, name, linear.base_layer)
        return self.base_layer
