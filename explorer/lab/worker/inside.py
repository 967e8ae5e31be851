"""Looking into an adapter: what its gates say, layer by layer."""

import re

from torch import nn

LAYER = re.compile(r"\.layers\.(\d+)\.")


def gates(model: nn.Module) -> dict[str, float]:
    """Mean absolute gate of each layer, for methods that open zero-initialised gates."""
    found: dict[str, list[float]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and "_gate." in name and (layer := LAYER.search(name)):
            found.setdefault(layer[1], []).append(parameter.detach().abs().mean().item())
    return {layer: sum(values) / len(values) for layer, values in found.items()}
