"""What an adapted model does to each module of the shared base, as the form of one row."""

from collections.abc import Iterator

import torch
from peft import PeftModel
from peft.tuners.adaption_prompt import AdaptionPromptModel
from peft.tuners.ln_tuning.layer import LNTuningLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from explorer.catalogue.errors import ExplorerError
from explorer.lab.worker.rows.form import BASE, NoRowFormError, RowForm
from explorer.lab.worker.rows.prefix import read_prefix
from explorer.lab.worker.rows.reading_attention import AttentionForms, read_attention
from explorer.lab.worker.rows.reading_linears import read_linear, running_adapter
from explorer.lab.worker.rows.storage import bare, same_storage
from explorer.methods.llama_adapter_v2.layer import TunedNorm
from explorer.methods.tuner import LlamaTuner

IN_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
IN_MLP = ("gate_proj", "up_proj", "down_proj")
NORMS = ("input_layernorm", "post_attention_layernorm")


class StrengthError(ExplorerError):
    """A strength that this adapter cannot be given."""


@torch.inference_mode()
def read_row(model: nn.Module, base: LlamaForCausalLM, strength: float = 1.0) -> RowForm:
    """The row form of a model over a view of `base`; at strength 0 it is the base.

    Raises NoRowFormError with the reason when the model does something that no row can do, and
    StrengthError for a strength other than 0 and 1 of a method that has none.
    """
    if strength == 0:
        return BASE
    if isinstance(model, PeftModel) and isinstance(model.base_model, LlamaTuner):
        return _read_own_tuner(model, base, strength)
    form = _Reading(model, base).form
    if strength == 1:
        return form
    if form.prefix is not None:
        raise StrengthError(
            f"Virtual tokens have no strength between: it takes 0 or 1, and {strength} was asked."
        )
    weights = dict(_base_norms(base))
    return RowForm(
        linears={name: part.at(strength) for name, part in form.linears.items()},
        norms={name: torch.lerp(weights[name], w, strength) for name, w in form.norms.items()},
        prompts={layer: prompt.at(strength) for layer, prompt in form.prompts.items()},
    )


def _read_own_tuner(model: PeftModel, base: LlamaForCausalLM, strength: float) -> RowForm:
    """These tuners know what strength means for them, so they are asked at that strength."""
    if strength == 1:
        return _Reading(model, base).form
    adapter = model.active_adapter
    model.base_model.set_strength(adapter, strength)
    try:
        return _Reading(model, base).form
    finally:
        model.base_model.set_strength(adapter, 1.0)


class _Reading:
    """One walk over the modules that a LLaMA has, adapted and shared side by side."""

    def __init__(self, model: nn.Module, base: LlamaForCausalLM) -> None:
        self.shared, self.own = base, bare(model)
        self.dtype = base.model.embed_tokens.weight.dtype
        self._refuse_what_is_not_looked_at(model)
        self.linears, self.norms = {}, {}
        attention = AttentionForms()
        for index, layer in enumerate(base.model.layers):
            adapted, path = self.own.model.layers[index], f"model.layers.{index}"
            self._same_kind(path, adapted, layer)
            self._same_kind(f"{path}.mlp", adapted.mlp, layer.mlp)
            inner = read_attention(index, adapted.self_attn, layer.self_attn, attention)
            for name in IN_ATTENTION:
                self._linear(f"{path}.self_attn.{name}", inner, layer.self_attn)
            for name in IN_MLP:
                self._linear(f"{path}.mlp.{name}", adapted.mlp, layer.mlp)
            for name in NORMS:
                self._norm(f"{path}.{name}", adapted, layer)
        self._norm("model.norm", self.own.model, base.model)
        self._linear("lm_head", self.own, base)
        self.form = RowForm(
            linears=self.linears,
            norms=self.norms,
            prompts=attention.prompts,
            excitors=attention.excitors,
            prefix=read_prefix(model, base),
        )

    def _refuse_what_is_not_looked_at(self, model: nn.Module) -> None:
        embedding = self.own.model.embed_tokens
        self._same_kind("model.embed_tokens", embedding, self.shared.model.embed_tokens)
        if not same_storage(embedding.weight, self.shared.model.embed_tokens.weight):
            raise NoRowFormError("The embedding has a weight of its own.")
        known = {hook for module in self.shared.modules() for hook in _hooks(module)}
        for module in model.modules():
            replaced = "forward" in vars(module) and not isinstance(module, AdaptionPromptModel)
            if replaced or any(hook not in known for hook in _hooks(module)):
                raise NoRowFormError(f"A {type(module).__name__} in it runs hooks of its own.")

    def _same_kind(self, name: str, module: nn.Module, base: nn.Module) -> None:
        if type(module) is not type(base):
            raise NoRowFormError(f"{name} is a {type(module).__name__} of its own.")

    def _linear(self, path: str, own: nn.Module, shared: nn.Module) -> None:
        name = path.rpartition(".")[2]
        form = read_linear(path, getattr(own, name), getattr(shared, name), self.dtype)
        if form is not None:
            self.linears[path] = form

    def _norm(self, path: str, own: nn.Module, shared: nn.Module) -> None:
        name = path.rpartition(".")[2]
        norm = getattr(shared, name)
        weight = self._norm_weight(path, getattr(own, name), norm)
        if not same_storage(weight, norm.weight):
            self.norms[path] = weight.detach()

    def _norm_weight(self, name: str, module: nn.Module, shared: nn.Module) -> Tensor:
        if not isinstance(module, BaseTunerLayer):
            self._same_kind(name, module, shared)
            return module.weight
        adapter = running_adapter(name, module)
        if adapter is None:
            return module.get_base_layer().weight
        if isinstance(module, TunedNorm):
            return module.tuned_weight(adapter) if module.running_adapters() else shared.weight
        if isinstance(module, LNTuningLayer) and not module.merged:
            return module.ln_tuning_layers[adapter].weight
        raise NoRowFormError(
            f"{name} is adapted by {type(module).__name__}, which has no row form."
        )


def _base_norms(base: LlamaForCausalLM) -> Iterator[tuple[str, Tensor]]:
    for index, layer in enumerate(base.model.layers):
        for name in NORMS:
            yield f"model.layers.{index}.{name}", getattr(layer, name).weight
    yield "model.norm", base.model.norm.weight


def _hooks(module: nn.Module) -> Iterator[object]:
    """What runs before and after the module. Hooks of the base itself change nothing it gives."""
    yield from module._forward_hooks.values()
    yield from module._forward_pre_hooks.values()
