"""An adapter merged into the weights it acts on, a layer at a time and only for a forward pass."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from peft import PeftModel
from peft.tuners.ln_tuning.layer import LNTuningLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from explorer.catalogue.method import Method
from explorer.methods.quantization import quantization_of
from explorer.methods.registry import records
from explorer.methods.tuner import AdapterLayer, AttentionLayer

PROMPTS = "virtual tokens stand beside the weights, not in them"


def why_not_merged(model: nn.Module) -> str:
    """Why the adapter cannot be merged into its base's weights; empty when it can."""
    if not isinstance(model, PeftModel):
        return "its weights are its own: there is nothing to merge"
    if quantization_of(model) != "none":
        return "merging into a quantized base rounds the weights anew"
    try:
        model.base_model._check_merge_allowed()
        getattr(model.base_model, "_check_foldable", lambda name: None)(model.active_adapter)
    except (ValueError, AttributeError) as error:
        return str(error).splitlines()[0] if isinstance(error, ValueError) else PROMPTS
    method = method_of(model)
    if method is None or method.capability is None or not method.capability.merges:
        why = method.capability.why.get("merges", "") if method and method.capability else ""
        return why or "the method does not merge"
    return ""


def method_of(model: PeftModel) -> Method | None:
    """The method of the active adapter."""
    kind = model.active_peft_config.peft_type
    named = [method for method in records().values() if method.peft_type == kind.value]
    return next((method for method in named if method.recipe is None), None)


@contextmanager
def merged(model: PeftModel) -> Iterator[None]:
    """Inside, every adapted layer runs with its adapter merged into a copy of its weights.

    The copy of one layer lives as long as that layer's forward pass, so that no second model
    stands in memory, and the base's own weights are not written to.
    """
    handles = []
    for layer in model.modules():
        # an attention that merges has nothing of its own beside its linears
        if isinstance(layer, BaseTunerLayer) and not isinstance(layer, AttentionLayer):
            before, after = _around(layer)
            handles.append(layer.register_forward_pre_hook(before))
            handles.append(layer.register_forward_hook(after, always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _around(layer: Any) -> tuple[Callable[..., None], Callable[..., None]]:
    """Hooks that merge before the layer runs, and undo it afterwards."""
    kept: dict[str, Tensor] = {}

    def before(module: Any, args: Any) -> None:
        for name, parameter in layer.get_base_layer().named_parameters(recurse=False):
            kept[name] = parameter.data
            parameter.data = parameter.data.clone()  # some methods write into it all the same
        if isinstance(layer, AdapterLayer):
            # these merge for good, so that what is left is the base module by itself
            layer.merge(True, layer.active_adapters)
            layer._disable_adapters = True
        else:
            layer.merge(safe_merge=True)

    def after(module: Any, args: Any, output: Any) -> None:
        if isinstance(layer, LNTuningLayer):  # swaps its two norms instead of writing a weight
            layer.unmerge()
            return
        own = layer.get_base_layer()
        for name, data in kept.items():
            own.get_parameter(name).data = data
        if isinstance(layer, AdapterLayer):
            layer._disable_adapters = False
            for name, _ in list(own.named_parameters(recurse=False)):
                if name not in kept:  # a bias that the base has not
                    own.register_parameter(name, None)
        layer.merged_adapters.clear()

    return before, after
