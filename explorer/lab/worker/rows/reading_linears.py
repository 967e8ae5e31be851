"""How adapted linears read as forms: LoRA, DoRA, AdaLoRA, IA3, BEFT, LLaMA-Adapter V2.

The classes for 4-bit and 8-bit weights have the same names and tensors as those for plain ones.
"""

from collections.abc import Callable

import torch
from peft.tuners.adalora.layer import AdaLoraLayer
from peft.tuners.beft.layer import BeftLayer
from peft.tuners.ia3.layer import IA3Layer
from peft.tuners.lora.layer import LoraLayer
from peft.tuners.lora.variants import DoraLinearVariant
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.integrations import dequantize_module_weight
from torch import Tensor, nn

from explorer.lab.worker.rows.form import LinearForm, NoRowFormError
from explorer.lab.worker.rows.storage import same_storage
from explorer.methods.llama_adapter_v2.layer import AffineLinear

ON_LINEARS = ("Linear", "Linear4bit", "Linear8bitLt", "SVDLinear", "SVDLinear4bit")


def read_linear(
    name: str, module: nn.Module, base: nn.Module, dtype: torch.dtype
) -> LinearForm | None:
    """What `module`, in the place of the base's linear `base`, does; None when it is the base.

    `dtype` is that of the hidden states. Raises NoRowFormError for an adapter of another kind, or
    when its weights are not the base's.
    """
    if not isinstance(module, BaseTunerLayer):
        return _own_bias(name, module, base)
    if module.merged:
        raise NoRowFormError(f"The adapter of {name} is merged into a weight of its own.")
    own_bias = _own_bias(name, module.get_base_layer(), base)
    running = running_adapter(name, module)
    if running is None:
        return own_bias
    read = next((read for kind, read in READERS.items() if isinstance(module, kind)), None)
    if read is None or not (
        type(module).__name__ in ON_LINEARS or isinstance(module, AffineLinear)
    ):
        kind = f"{type(module).__module__.split('.')[-2]}.{type(module).__name__}"
        raise NoRowFormError(f"{name} is adapted by {kind}, which has no row form.")
    if own_bias is not None:
        raise NoRowFormError(f"The adapter of {name} also trained the base's own bias.")
    form = read(name, module, running)
    # the own tuner acts in the type of the hidden states, peft's tuners in that of the adapter
    return form.to(dtype) if form and isinstance(module, AffineLinear) else form


def running_adapter(name: str, module: BaseTunerLayer) -> str | None:
    """The one adapter that acts in a module now; None when there is none."""
    if module.disable_adapters:
        return None
    held = {key for layer in module.adapter_layer_names for key in getattr(module, layer)}
    running = [adapter for adapter in module.active_adapters if adapter in held]
    if len(running) > 1:
        raise NoRowFormError(f"Several adapters ({', '.join(running)}) act on {name} at once.")
    return running[0] if running else None


def _own_bias(name: str, module: nn.Module, base: nn.Module) -> LinearForm | None:
    if type(module) is not type(base) or not same_storage(module.weight, base.weight):
        raise NoRowFormError(f"{name} has a weight of its own instead of the shared base's.")
    own, shared = module.bias, base.bias
    if own is None or (shared is not None and same_storage(own, shared)):
        return None
    return LinearForm(add=own.detach() if shared is None else (own - shared).detach())


def _lora(name: str, layer: LoraLayer, adapter: str) -> LinearForm:
    variant = layer.lora_variant.get(adapter)
    scaling = layer.scaling[adapter]
    down, up = layer.lora_A[adapter].weight.detach(), layer.lora_B[adapter].weight.detach()
    bias = layer.lora_B[adapter].bias
    if variant is None:
        add = None if bias is None else scaling * bias.detach()
        return LinearForm(down=down, up=up, scale=scaling, add=add)
    if type(variant) is not DoraLinearVariant or bias is not None:
        raise NoRowFormError(f"{name} has the LoRA variant {type(variant).__name__}.")
    return _dora(layer, adapter, down, scaling * up)


def _dora(layer: LoraLayer, adapter: str, down: Tensor, up: Tensor) -> LinearForm:
    """m/‖W + ΔW‖ times the whole product; the base's bias stays as it is."""
    base = layer.get_base_layer()
    magnitude = layer.lora_magnitude_vector[adapter].weight.detach()
    weight = dequantize_module_weight(base).to(up.dtype)
    factor = magnitude / torch.linalg.norm(weight + up @ down, dim=1)
    add = None if base.bias is None else (1 - factor) * base.bias.detach()
    return LinearForm(post=factor, down=down, up=factor[:, None] * up, add=add)


def _adalora(name: str, layer: AdaLoraLayer, adapter: str) -> LinearForm:
    down = (layer.lora_A[adapter] * layer.lora_E[adapter]).detach()
    scale = layer.scaling[adapter] / (layer.ranknum[adapter] + 1e-5)
    return LinearForm(down=down, up=(layer.lora_B[adapter] * scale).detach())


def _ia3(name: str, layer: IA3Layer, adapter: str) -> LinearForm:
    scale = layer.ia3_l[adapter].detach().flatten()
    return LinearForm(pre=scale) if layer.is_feedforward else LinearForm(post=scale)


def _beft(name: str, layer: BeftLayer, adapter: str) -> LinearForm:
    return LinearForm(add=layer.beft_bias[adapter].detach().flatten())


def _affine(name: str, layer: AffineLinear, adapter: str) -> LinearForm | None:
    """LLaMA-Adapter V2 with the strength that it is set to."""
    if not layer.running_adapters():
        return None
    scale, bias = (part.detach() for part in layer.scale_and_bias(adapter))
    down = up = None
    if adapter in layer.llama_adapter_v2_lora_A:
        down, up = (part.detach() for part in layer.low_rank(adapter, scale.dtype))
    if layer.variant[adapter] == "chat":
        return LinearForm(pre=scale, add=bias, down=down, up=up)
    return LinearForm(post=scale, add=scale * bias, down=down, up=up)


READERS: dict[type, Callable[[str, nn.Module, str], LinearForm | None]] = {
    AffineLinear: _affine,
    AdaLoraLayer: _adalora,  # before LoRA, of which it is a subclass
    LoraLayer: _lora,
    IA3Layer: _ia3,
    BeftLayer: _beft,
}
