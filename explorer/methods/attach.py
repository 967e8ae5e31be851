"""Attach a method to a model: one call for every method, driven by its data file."""

from collections.abc import Mapping
from typing import Any

from peft import PeftConfig, PeftModel, PeftType, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers import PreTrainedModel

from explorer.catalogue.errors import ExplorerError, unknown
from explorer.catalogue.method import Method
from explorer.methods.guard import guard_base
from explorer.methods.quantization import prepare_quantized, quantization_of
from explorer.methods.registry import MethodError, build_config, record

IN_CACHE = {PeftType.PREFIX_TUNING, PeftType.CARTRIDGE}  # prompts that are cached keys and values


def attach(
    model: PreTrainedModel | PeftModel,
    method_id: str,
    knobs: Mapping[str, Any] | None = None,
    adapter_name: str = "default",
) -> PreTrainedModel | PeftModel:
    """The model with the method on it, only the method's own parameters trainable.

    A model that already carries adapters gets one more under `adapter_name`, which becomes the
    active one. The references (`full`, `norms-and-biases`) return the bare model; its parameters
    keep their type, so an optimizer over 16-bit ones has to hold float32 copies.

    Raises UnknownNameError for an unknown method, knob or target module, MethodError where the
    method cannot act on this model, ExplorerError for a knob out of its range.
    """
    method = record(method_id)
    held = quantization_of(model)
    if not method.trains_on(held):
        raise MethodError(
            f"{method.name} does not train on a quantized base ({held}): {method.why_not_on(held)}"
        )
    if reason := method.not_on.get(_generation_type(model)):
        raise MethodError(f"{method.name} does not run on {_generation_type(model)}: {reason}")
    if method.peft_type is None:
        return _free(model, method, knobs)
    config = build_config(method_id, knobs)
    _check_targets(model, config, method)
    if held != "none" and not isinstance(model, PeftModel):
        prepare_quantized(model)
    try:
        guard_base(model, config)
        adapted = _with_adapter(model, config, adapter_name)
    except ExplorerError:
        raise
    except Exception as error:  # peft refuses with whatever its code stumbles over
        told = str(error) or type(error).__name__
        raise MethodError(f"{method.name} cannot be attached to this model: {told}") from error
    if _lacks_embedding(adapted, config):
        raise MethodError(
            f"{method.name} cannot be attached to this model: peft finds no embedding in it."
        )
    return adapted


def _lacks_embedding(model: PeftModel, config: PeftConfig) -> bool:
    """Whether a prompt goes in front of embeddings and peft, which tells nobody, found none."""
    in_front = config.is_prompt_learning and config.peft_type not in IN_CACHE
    return in_front and model.word_embeddings is None


def _with_adapter(
    model: PreTrainedModel | PeftModel, config: PeftConfig, adapter_name: str
) -> PeftModel:
    if not isinstance(model, PeftModel):
        return get_peft_model(model, config, adapter_name=adapter_name)
    if adapter_name in model.peft_config:
        raise MethodError(f"The model already has an adapter called {adapter_name!r}.")
    model.add_adapter(adapter_name, config)
    model.set_adapter(adapter_name)
    for name, encoder in getattr(model, "prompt_encoder", {}).items():
        if name != adapter_name:  # peft leaves the prompts of inactive adapters trainable
            encoder.requires_grad_(False)
    return model


def _free(
    model: PreTrainedModel | PeftModel, method: Method, knobs: Mapping[str, Any] | None
) -> PreTrainedModel:
    """Set which of the model's own parameters train."""
    method.read_knobs(knobs)
    if isinstance(model, PeftModel):
        raise MethodError(
            f"{method.name} trains the model itself: it takes a model without adapters."
        )
    if quantization_of(model) != "none":
        prepare_quantized(model)
    model.requires_grad_(method.id == "full")
    if method.id == "norms-and-biases":  # of the vision encoder as well, where there is one
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("norm" in name or name.endswith(".bias"))
    return model


def _check_targets(model: PreTrainedModel | PeftModel, config: PeftConfig, method: Method) -> None:
    if not any(knob.type == "sites" for knob in method.knobs.values()):
        return
    known = linear_names(model)
    for target in config.target_modules:
        if target not in known:
            raise unknown("target module", target, known)


def linear_names(model: nn.Module) -> set[str]:
    """Last names of the model's linears, of those under an adapter as well."""
    found: set[str] = set()
    inside: tuple[str, ...] = ()  # prefixes of adapted layers: what lies below is the adapter's
    for path, module in model.named_modules():
        if inside and path.startswith(inside):
            continue
        if isinstance(module, BaseTunerLayer):
            inside += (f"{path}.",)
        if isinstance(module, nn.Linear | BaseTunerLayer):
            found.add(path.rpartition(".")[2])
    return found


def _generation_type(model: nn.Module) -> str:
    """The model's type as the catalogue names it: llama, llama4 or mllama, text parts included."""
    return getattr(getattr(model, "config", None), "model_type", "").partition("_")[0]
