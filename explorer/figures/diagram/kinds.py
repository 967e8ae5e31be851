"""The kinds of layer that a model has, and which layers are of which kind."""

from dataclasses import dataclass

from explorer.budget.params import count_parameters
from explorer.catalogue.architecture import Architecture


@dataclass(frozen=True)
class LayerKind:
    """Layers that are alike: the same attention, the same feed-forward, the same count."""

    layers: tuple[int, ...]
    crosses: bool
    rotates: bool
    routes: bool
    parameters: int

    @property
    def numbers(self) -> str:
        """The layers, counted from 1, with runs shortened: 1–3, 5–7, 9–11, …"""
        runs: list[list[int]] = []
        for layer in self.layers:
            if runs and layer == runs[-1][-1] + 1:
                runs[-1].append(layer)
            else:
                runs.append([layer])
        said = [f"{run[0] + 1}–{run[-1] + 1}" if len(run) > 1 else str(run[0] + 1) for run in runs]
        return ", ".join(said) if len(said) <= 4 else ", ".join(said[:3]) + ", …"


def layer_kinds(arch: Architecture) -> list[LayerKind]:
    """Every kind in the order in which it first comes."""
    crossing, still, routed = (
        set(arch.cross_attention_layers), set(arch.no_rope_layers), set(arch.moe_layers)
    )  # fmt: skip
    grouped: dict[tuple[bool, bool, bool], list[int]] = {}
    for layer in range(arch.num_hidden_layers):
        crosses = layer in crossing
        key = (crosses, not crosses and layer not in still, layer in routed)
        grouped.setdefault(key, []).append(layer)
    sizes = count_parameters(arch).by_layer
    return [
        LayerKind(tuple(layers), *key, parameters=sizes[layers[0]])
        for key, layers in grouped.items()
    ]
