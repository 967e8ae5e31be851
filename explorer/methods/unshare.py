"""Weights of their own for the linears that peft writes into when it sets an adapter up."""

from peft import PeftConfig
from torch import nn

# peft subtracts the adapter's start from a float32 weight's own numbers
WRITES_IN_PLACE = {"olora"}


def unshare(model: nn.Module, config: PeftConfig) -> int:
    """Give the linears that `config` is about to change in place their own weights.

    A weight may be shared with other models: what is subtracted from it would be missing there,
    and be subtracted again by the next adapter. Returns the bytes that were copied. Quantized
    weights are replaced by peft, never written to.
    """
    if getattr(config, "init_lora_weights", None) not in WRITES_IN_PLACE:
        return 0
    named = None if isinstance(config.target_modules, str) else set(config.target_modules or ())
    copied = 0
    for path, module in model.named_modules():
        meant = named is None or any(f".{path}".endswith(f".{name}") for name in named)
        if meant and isinstance(module, nn.Linear) and type(module.weight) is nn.Parameter:
            module.weight.data = module.weight.data.clone()
            copied += module.weight.nbytes
    return copied
