"""How each kind of adapted attention reads as a form: LLaMA-Adapter, its V2, LLaMA-Excitor."""

from dataclasses import dataclass, field

import torch
from peft.tuners.adaption_prompt.layer import AdaptedAttention
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from explorer.lab.worker.rows.form import ExcitorForm, NoRowFormError, PromptForm
from explorer.lab.worker.rows.reading_linears import running_adapter
from explorer.methods.attention import split_heads
from explorer.methods.llama_adapter.layer import LlamaAdapterLayer
from explorer.methods.llama_adapter_v2.attention import LlamaAdapterV2Attention
from explorer.methods.llama_excitor.layer import LlamaExcitorLayer


@dataclass
class AttentionForms:
    """The forms found so far, by layer."""

    prompts: dict[int, PromptForm] = field(default_factory=dict)
    excitors: dict[int, ExcitorForm] = field(default_factory=dict)


def read_attention(
    index: int, module: nn.Module, base: nn.Module, found: AttentionForms
) -> nn.Module:
    """Add what `module` does to `found`, and return the attention whose linears are to be read.

    Raises NoRowFormError for an attention of another kind.
    """
    if type(module) is type(base):
        return module
    name = f"model.layers.{index}.self_attn"
    if isinstance(module, AdaptedAttention):
        found.prompts[index] = _adaption_prompt(name, module)
        return module.model
    if not isinstance(module, BaseTunerLayer):
        raise NoRowFormError(f"{name} is a {type(module).__name__} of its own.")
    adapter = running_adapter(name, module)
    if adapter and module.running_adapters():
        if isinstance(module, LlamaAdapterLayer):
            found.prompts[index] = _prompt(module, adapter)
        elif isinstance(module, LlamaAdapterV2Attention):
            _read_v2(index, module, adapter, found)
        elif isinstance(module, LlamaExcitorLayer):
            found.excitors[index] = _excitor(module, adapter)
        else:
            kind = type(module).__name__
            raise NoRowFormError(f"{name} is adapted by {kind}, which has no row form.")
    return module.get_base_layer()


def _squash(gate: Tensor, activation: str) -> Tensor:
    return torch.tanh(gate) if activation == "tanh" else gate


def _prompt(layer: LlamaAdapterLayer, adapter: str) -> PromptForm:
    attention = layer.base_layer
    prompt = layer.llama_adapter_prompt[adapter].detach()
    gate = _squash(layer.llama_adapter_gate[adapter].detach(), layer.gate_activation[adapter])
    dtype = _compute_dtype(attention)
    keys, values = (
        split_heads(linear(prompt.to(dtype)), attention.head_dim)
        for linear in (attention.k_proj, attention.v_proj)
    )
    return PromptForm(keys, values, (layer.strength[adapter] * gate).to(dtype))


def _read_v2(
    index: int, layer: LlamaAdapterV2Attention, adapter: str, found: AttentionForms
) -> None:
    """The prompts; image tokens are given with a forward pass and never with text alone."""
    if adapter not in layer.llama_adapter_v2_prompt:
        return
    attention = layer.base_layer
    prompt = layer.llama_adapter_v2_prompt[adapter].detach()
    gate = layer.llama_adapter_v2_gate[adapter].detach()
    gate = layer.strength[adapter] * _squash(gate, layer.configs[adapter].gate_activation)
    dtype = _compute_dtype(attention)
    keys, values = (
        split_heads(linear.affine(adapter, prompt.to(dtype)).detach(), attention.head_dim)
        for linear in (attention.k_proj, attention.v_proj)
    )
    found.prompts[index] = PromptForm(keys, values, gate.to(dtype))


def _excitor(layer: LlamaExcitorLayer, adapter: str) -> ExcitorForm:
    attention, config = layer.base_layer, layer.configs[adapter]
    dtype = _compute_dtype(attention)
    prompt, down, up, gate = (
        getattr(layer, name)[adapter].detach() for name in layer.adapter_layer_names
    )
    gate = layer.strength[adapter] * _squash(gate, config.activation)
    prompt = split_heads(prompt, attention.head_dim if config.per_head else prompt.shape[-1])
    return ExcitorForm(prompt, down, up, gate, rotate=config.rotate, dtype=dtype)


def _adaption_prompt(name: str, module: AdaptedAttention) -> PromptForm:
    """peft's LLaMA-Adapter: one gate a layer, used as it is."""
    attention = module.model
    if attention.o_proj.bias is not None:
        raise NoRowFormError(f"{name}: peft's prompts pass through the output's bias once more.")
    prompt = module.adaption_prompt.detach()[0]
    keys, values = (
        split_heads(linear(prompt), attention.head_dim)
        for linear in (attention.k_proj, attention.v_proj)
    )
    gate = module.adaption_gate.detach().expand(attention.config.num_attention_heads)
    return PromptForm(keys, values, gate)


def _compute_dtype(attention: nn.Module) -> torch.dtype:
    """The type of the hidden states: that of the linears, or of what 4-bit ones compute in."""
    weight = attention.k_proj.weight
    return weight.dtype if weight.is_floating_point() else attention.config.dtype
