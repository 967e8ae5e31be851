"""LLaMA's self-attention in steps, so that an adapter can join before or after the softmax.

The steps are those of transformers' own modules in the same order, so that an adapter that adds
nothing leaves every bit of the output alone. Shapes: B sequences, M tokens, H query heads, G
key-value heads, h the width of a head, d the hidden size.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import Cache
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.llama import modeling_llama as llama
from transformers.models.llama4 import modeling_llama4 as llama4

PositionEmbeddings = Tensor | tuple[Tensor, Tensor]
Projections = tuple[Tensor, Tensor, Tensor]


class Family(NamedTuple):
    """How one generation of LLaMA builds queries, keys and values, and attends in plain torch."""

    project: Callable[[nn.Module, Tensor, PositionEmbeddings, Cache | None], Projections]
    rotate: Callable[[nn.Module, Tensor, PositionEmbeddings], Tensor]
    eager: Callable[..., tuple[Tensor, Tensor]]


def split_heads(states: Tensor, head_dim: int) -> Tensor:
    """[…, M, heads · h] as [..., heads, M, h]."""
    return states.unflatten(-1, (-1, head_dim)).transpose(-3, -2)


def _project_llama(
    attention: nn.Module,
    hidden_states: Tensor,
    position_embeddings: PositionEmbeddings,
    past_key_values: Cache | None,
) -> Projections:
    query = split_heads(attention.q_proj(hidden_states), attention.head_dim)
    key = split_heads(attention.k_proj(hidden_states), attention.head_dim)
    value = split_heads(attention.v_proj(hidden_states), attention.head_dim)
    query, key = llama.apply_rotary_pos_emb(query, key, *position_embeddings)
    return query, key, value


def _rotate_llama(
    attention: nn.Module, states: Tensor, position_embeddings: PositionEmbeddings
) -> Tensor:
    cos, sin = (part.unsqueeze(1) for part in position_embeddings)
    return states * cos + llama.rotate_half(states) * sin


def _project_llama4(
    attention: nn.Module,
    hidden_states: Tensor,
    position_embeddings: PositionEmbeddings,
    past_key_values: Cache | None,
) -> Projections:
    query = attention.q_proj(hidden_states).unflatten(-1, (-1, attention.head_dim))  # [B, M, H, h]
    key = attention.k_proj(hidden_states).unflatten(-1, (-1, attention.head_dim))
    value = split_heads(attention.v_proj(hidden_states), attention.head_dim)
    if attention.use_rope:
        query, key = llama4.apply_rotary_emb(query, key, position_embeddings.to(query.device))
    if hasattr(attention, "qk_norm"):
        query, key = attention.qk_norm(query), attention.qk_norm(key)
    if attention.attn_temperature_tuning and not attention.use_rope:
        seen = 0
        if past_key_values is not None:
            seen = past_key_values.get_seq_length(attention.layer_idx)
        positions = torch.arange(hidden_states.shape[1], device=hidden_states.device) + seen
        steps = torch.floor((positions.float() + 1.0) / attention.floor_scale)
        scales = torch.log1p(steps) * attention.attn_scale + 1.0  # [M]
        query = (query * scales[:, None, None]).to(query.dtype)
    return query.transpose(1, 2), key.transpose(1, 2), value


def _rotate_llama4(
    attention: nn.Module, states: Tensor, position_embeddings: PositionEmbeddings
) -> Tensor:
    if not attention.use_rope:
        return states
    states = states.transpose(1, 2)
    angles = position_embeddings.to(states.device)
    return llama4.apply_rotary_emb(states, states, angles)[0].transpose(1, 2)


FAMILIES: dict[type[nn.Module], Family] = {
    llama.LlamaAttention: Family(_project_llama, _rotate_llama, llama.eager_attention_forward),
    llama4.Llama4TextAttention: Family(
        _project_llama4, _rotate_llama4, llama4.eager_attention_forward
    ),
}


def family(attention: nn.Module) -> Family | None:
    """The family of an attention module, or None when it is not one of LLaMA's."""
    return next((known for kind, known in FAMILIES.items() if isinstance(attention, kind)), None)


def attend(
    module: nn.Module,
    attention: nn.Module,
    projections: Projections,
    attention_mask: Tensor | None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention over all cached positions, by the implementation that the model was set to.

    `module` is what the implementation asks for `num_key_value_groups` and `training`; `attention`
    is the base module. Returns the heads' outputs [B, M, H, h] and, where the implementation gives
    them, the attention weights [B, H, M, positions].
    """
    attend_with = ALL_ATTENTION_FUNCTIONS.get_interface(
        attention.config._attn_implementation, family(attention).eager
    )
    return attend_with(
        module,
        *projections,
        attention_mask,
        dropout=attention.attention_dropout if module.training else 0.0,
        scaling=attention.scaling,
        **kwargs,
    )


def softmax(scores: Tensor) -> Tensor:
    """Softmax over the last axis, in float32 where the scores have 16 bits."""
    wide = torch.float32 if scores.dtype in (torch.float16, torch.bfloat16) else scores.dtype
    return torch.softmax(scores, dim=-1, dtype=wide).to(scores.dtype)


def attend_to_prompt(
    query: Tensor, keys: Tensor, values: Tensor, gate: Tensor, scaling: float
) -> Tensor:
    """gate · softmax(q keysᵀ · scaling) values: a softmax of its own, without a mask.

    query [B, H, M, h] as the base attention used it; keys and values [G, K, h], or [B, G, K, h]
    where every sequence has its own; gate [H]. Returns [B, M, H, h].
    """
    groups = query.shape[1] // keys.shape[-3]
    keys, values = (
        states.repeat_interleave(groups, dim=-3) if groups > 1 else states
        for states in (keys, values)
    )
    weights = softmax(torch.matmul(query, keys.transpose(-1, -2)) * scaling)
    gated = gate.to(weights.dtype)[:, None, None] * weights
    return torch.matmul(gated, values).transpose(1, 2)
