"""Linears and norms of LLaMA-Adapter V2 (arXiv:2304.15010, section 3.1).

With scale s and bias b of its own, every linear W (whose own bias, if any, counts as part of Wx) is

    chat   y = W(s ⊙ x) + b         the authors' text model; s has the width of the input
    paper  y = s ⊙ (Wx + b)         the paper's equation; s has the width of the output

with s = 1 and b = 0 at the start. A LoRA of rank r, where asked for, adds B A x with factor 1 and
B = 0 at the start. Norm weights train as copies, so that the base keeps its own.
"""

import math

import torch
from torch import Tensor, nn

from explorer.catalogue.errors import ExplorerError
from explorer.methods.llama_adapter_v2.config import LlamaAdapterV2Config
from explorer.methods.tuner import AdapterLayer


class LlamaAdapterV2Layer(AdapterLayer):
    """A module that V2 acts on. Tensors are float32 and act in the type of what they meet."""

    def running_adapter(self) -> str | None:
        """The one adapter that acts here now (`set_adapter` refuses several)."""
        return next(iter(self.running_adapters()), None)


class AffineLinear(LlamaAdapterV2Layer):
    """A linear with `llama_adapter_v2_scale[adapter]` [in, or out for paper],
    `llama_adapter_v2_bias[adapter]` [out] and, where r > 0, `llama_adapter_v2_lora_A[adapter]`
    [r, in] and `llama_adapter_v2_lora_B[adapter]` [out, r].
    """

    adapter_layer_names = (
        "llama_adapter_v2_scale",
        "llama_adapter_v2_bias",
        "llama_adapter_v2_lora_A",
        "llama_adapter_v2_lora_B",
    )
    other_param_names = ("strength", "variant")

    def __init__(self, base_layer: nn.Module) -> None:
        super().__init__(base_layer)
        self.variant: dict[str, str] = {}

    def update_layer(self, adapter_name: str, config: LlamaAdapterV2Config) -> None:
        """Add the tensors of an adapter, at their initial values."""
        linear = self.base_layer
        rows, columns = linear.out_features, linear.in_features
        place = {"device": linear.weight.device, "dtype": torch.float32}
        scale = torch.ones(columns if config.variant == "chat" else rows, **place)
        self.llama_adapter_v2_scale[adapter_name] = nn.Parameter(scale)
        self.llama_adapter_v2_bias[adapter_name] = nn.Parameter(torch.zeros(rows, **place))
        if config.r:
            down = nn.init.kaiming_uniform_(torch.empty(config.r, columns, **place), math.sqrt(5))
            self.llama_adapter_v2_lora_A[adapter_name] = nn.Parameter(down)
            up = torch.zeros(rows, config.r, **place)
            self.llama_adapter_v2_lora_B[adapter_name] = nn.Parameter(up)
        self.variant[adapter_name] = config.variant
        self.strength[adapter_name] = 1.0

    def forward(self, x: Tensor) -> Tensor:
        name = self.running_adapter()
        if name is None:
            return self.base_layer(x)
        y = self.affine(name, x)
        if name in self.llama_adapter_v2_lora_A:
            down, up = self.low_rank(name, x.dtype)
            y = y + nn.functional.linear(nn.functional.linear(x, down), up)
        return y

    def affine(self, adapter_name: str, x: Tensor) -> Tensor:
        """The linear with scale and bias alone, as the prompts see it."""
        scale, bias = self.scale_and_bias(adapter_name)
        scale, bias = scale.to(x.dtype), bias.to(x.dtype)
        if self.variant[adapter_name] == "chat":
            return self.base_layer(x * scale) + bias
        return scale * (self.base_layer(x) + bias)

    def scale_and_bias(self, adapter_name: str) -> tuple[Tensor, Tensor]:
        """s and b, on the way from the base (1 and 0) by the adapter's strength."""
        scale, bias = (
            self.llama_adapter_v2_scale[adapter_name],
            self.llama_adapter_v2_bias[adapter_name],
        )
        strength = self.strength[adapter_name]
        if strength == 1.0:
            return scale, bias
        return torch.lerp(torch.ones_like(scale), scale, strength), strength * bias

    def low_rank(self, adapter_name: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """A and B, the latter with the adapter's strength."""
        up = self.strength[adapter_name] * self.llama_adapter_v2_lora_B[adapter_name]
        return self.llama_adapter_v2_lora_A[adapter_name].to(dtype), up.to(dtype)

    @torch.no_grad()
    def merge(self, safe_merge: bool, adapter_names: list[str]) -> None:
        """Fold the adapter into the base linear, which gets a bias if it has none."""
        (name,), linear = adapter_names, self.base_layer
        scale, bias = self.scale_and_bias(name)
        weight = linear.weight.to(scale.dtype)
        if linear.bias is not None and self.variant[name] == "chat":
            bias = linear.bias + bias
        elif self.variant[name] == "paper":
            bias = scale * (bias if linear.bias is None else linear.bias + bias)
        weight = weight * (scale if self.variant[name] == "chat" else scale[:, None])
        if name in self.llama_adapter_v2_lora_A:
            down, up = self.low_rank(name, weight.dtype)
            weight = weight + up @ down
        if safe_merge and not (weight.isfinite().all() and bias.isfinite().all()):
            raise ExplorerError(f"The adapter {name!r} has values that are not finite.")
        linear.weight.copy_(weight)
        linear.bias = nn.Parameter(bias.to(linear.weight.dtype), requires_grad=False)


class TunedNorm(LlamaAdapterV2Layer):
    """An RMSNorm with a trainable copy of its weight, `llama_adapter_v2_norm[adapter]` [d]."""

    adapter_layer_names = ("llama_adapter_v2_norm",)

    def update_layer(self, adapter_name: str, config: LlamaAdapterV2Config) -> None:
        """Add the copy of the weight."""
        copy = self.base_layer.weight.detach().to(torch.float32, copy=True)
        self.llama_adapter_v2_norm[adapter_name] = nn.Parameter(copy)
        self.strength[adapter_name] = 1.0

    def forward(self, x: Tensor) -> Tensor:
        name = self.running_adapter()
        if name is None:
            return self.base_layer(x)
        norm = self.base_layer
        wide = x.to(torch.float32)  # as the base, whatever the model computes in
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + norm.variance_epsilon)
        return self.tuned_weight(name).to(norm.weight.dtype) * wide.to(x.dtype)

    def tuned_weight(self, adapter_name: str) -> Tensor:
        """The weight, on the way from the base's by the adapter's strength."""
        weight = self.llama_adapter_v2_norm[adapter_name]
        if self.strength[adapter_name] == 1.0:
            return weight
        base = self.base_layer.weight.to(weight.dtype)
        return torch.lerp(base, weight, self.strength[adapter_name])

    @torch.no_grad()
    def merge(self, safe_merge: bool, adapter_names: list[str]) -> None:
        """Give the base norm the trained weight."""
        (name,) = adapter_names
        self.base_layer.weight.copy_(self.tuned_weight(name))


def quantized(linear: nn.Module) -> bool:
    """Whether a linear stores its weight in fewer bits than it computes with."""
    return not linear.weight.is_floating_point()
