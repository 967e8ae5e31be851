"""What peft would damage of a base while it sets an adapter up, and how that is kept from it."""

import bitsandbytes as bnb
from peft import PeftConfig
from torch import nn

from explorer.methods.quantization import quantized_linears

# peft subtracts the adapter's start from a float32 weight's own numbers
WRITES_IN_PLACE = {"olora"}


def guard_base(model: nn.Module, config: PeftConfig) -> None:
    """Call it before an adapter of these settings is added, or loaded; in place."""
    _unshare(model, config)
    _keep_scales(model, config)


def _unshare(model: nn.Module, config: PeftConfig) -> None:
    """Give the linears that `config` is about to change in place their own weights.

    A weight may be shared with other models: what is subtracted from it would be missing there,
    and be subtracted again by the next adapter. Quantized weights are replaced by peft, never
    written to.
    """
    if getattr(config, "init_lora_weights", None) not in WRITES_IN_PLACE:
        return
    named = None if isinstance(config.target_modules, str) else set(config.target_modules or ())
    for path, module in model.named_modules():
        meant = named is None or any(f".{path}".endswith(f".{name}") for name in named)
        if meant and isinstance(module, nn.Linear) and type(module.weight) is nn.Parameter:
            module.weight.data = module.weight.data.clone()


def _keep_scales(model: nn.Module, config: PeftConfig) -> None:
    """Let 8-bit linears keep their scales under DoRA; in place, before its adapter is added.

    Where DoRA dequantizes a weight on a CPU, peft hands bitsandbytes a copy without scales, and
    bitsandbytes takes the missing ones for its own at the next forward pass.
    """
    if not getattr(config, "use_dora", False):
        return
    for _, linear in quantized_linears(model):
        hooks = linear._forward_pre_hooks.values()
        if isinstance(linear, bnb.nn.Linear8bitLt) and _refuse_none not in hooks:
            linear.register_forward_pre_hook(_refuse_none)


def _refuse_none(linear: nn.Module, args: tuple[object, ...]) -> None:
    if linear.weight.SCB is None and linear.state.SCB is not None:
        linear.weight.CB = None
