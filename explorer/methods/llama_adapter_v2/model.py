"""LLaMA-Adapter V2 as a peft tuner: every linear, every norm, and the attention of every layer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from explorer.catalogue.errors import ExplorerError
from explorer.methods.attention import family
from explorer.methods.llama_adapter_v2.attention import NO_EYES, LlamaAdapterV2Attention
from explorer.methods.llama_adapter_v2.config import LlamaAdapterV2Config
from explorer.methods.llama_adapter_v2.layer import (
    AffineLinear,
    LlamaAdapterV2Layer,
    TunedNorm,
    quantized,
)
from explorer.methods.tuner import AdapterLayer, LlamaTuner, attention_names, layers_from_top

IN_A_LAYER = (
    "self_attn",  # and the four linears within it
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
    "input_layernorm",
    "post_attention_layernorm",
)


class LlamaAdapterV2Model(LlamaTuner):
    """LLaMA-Adapter V2 (arXiv:2304.15010) around a LLaMA, as `get_peft_model` builds it."""

    prefix = "llama_adapter_v2_"
    tuner_layer_cls = LlamaAdapterV2Layer
    method = "LLaMA-Adapter V2"

    def find_targets(
        self, peft_config: LlamaAdapterV2Config, model: nn.Module, attentions: list[str]
    ) -> list[str]:
        layers = [name.removesuffix(".self_attn") for name in attentions]
        if not all(hasattr(model.get_submodule(layer), "mlp") for layer in layers):
            raise ExplorerError(
                f"{self.method} puts a scale and a bias on every linear, and the experts of Llama "
                "4 are fused tensors without linears of their own."
            )
        layers_from_top(len(layers), peft_config.adapter_layers, skipped=1)  # refuses too many
        if peft_config.visual_tokens and peft_config.visual_layers > len(layers):
            raise ExplorerError(
                f"visual_layers = {peft_config.visual_layers}: it takes a whole number from 1 to "
                f"{len(layers)}, the number of layers of this model."
            )
        stem = layers[0].removesuffix("layers.0")
        return [f"{layer}.{part}" for layer in layers for part in IN_A_LAYER] + [f"{stem}norm"]

    def new_layer(
        self, peft_config: LlamaAdapterV2Config, target: nn.Module, current_key: str
    ) -> AdapterLayer:
        if family(target):
            return LlamaAdapterV2Attention(target)
        return TunedNorm(target) if isinstance(target, LlamaRMSNorm) else AffineLinear(target)

    def set_adapter(self, adapter_name: str | list[str], inference_mode: bool = False) -> None:
        if not isinstance(adapter_name, str) and len(adapter_name) > 1:
            raise ExplorerError(
                f"{self.method} runs one adapter at a time: {len(adapter_name)} scales and norms "
                "of the same weight do not add up."
            )
        super().set_adapter(adapter_name, inference_mode=inference_mode)

    def _demand_eyes(self) -> None:
        for name in self.active_adapters:
            if not self.peft_config[name].visual_tokens:
                raise ExplorerError(NO_EYES.format(name))

    @contextmanager
    def seeing(self, visual_tokens: Tensor) -> Iterator[None]:
        """Show image tokens [B, T, d] to every forward pass within, `generate` included."""
        self._demand_eyes()
        body = attention_names(self.model)[0].rpartition("layers.0")[0].rstrip(".")

        # as an argument: a checkpointed layer is computed again with its arguments, later than this
        def show(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
            return args, {"visual_tokens": visual_tokens} | kwargs

        hook = self.model.get_submodule(body).register_forward_pre_hook(show, with_kwargs=True)
        try:
            yield
        finally:
            hook.remove()

    def merge_and_unload(
        self,
        progressbar: bool = False,
        safe_merge: bool = False,
        adapter_names: list[str] | None = None,
    ) -> nn.Module:
        """The base model with the adapter folded in: linears with biases, and new norm weights.

        Raises ExplorerError where prompts, image tokens or a quantized base stand against it.
        """
        names = list(self.active_adapters if adapter_names is None else adapter_names)
        if len(names) != 1:
            raise ExplorerError(f"{self.method} merges one adapter, and {len(names)} were given.")
        self._check_foldable(names[0])
        model = super().merge_and_unload(progressbar, safe_merge, names)
        model.config.attention_bias = model.config.mlp_bias = True
        return model

    def merge_adapter(self, *args: Any, **kwargs: Any) -> None:
        raise ExplorerError(
            f"{self.method} is not merged in place, as it could not be taken out again without "
            "loss. Use merge_and_unload on a copy."
        )

    def _check_merge_allowed(self) -> None:
        """Nothing to add to what `merge_and_unload` asks of the adapter that it merges."""

    def _check_foldable(self, adapter_name: str) -> None:
        for module in self.model.modules():
            if isinstance(module, LlamaAdapterV2Attention) and module.has_tokens(adapter_name):
                raise ExplorerError(
                    f"{self.method} with prompts or image tokens cannot be merged: they read the "
                    "queries of every forward pass. Keep the adapter beside the base."
                )
            if isinstance(module, AffineLinear) and quantized(module.base_layer):
                raise ExplorerError(
                    f"{self.method} cannot be merged into quantized weights. Load the base in 16 "
                    "or 32 bits, add the adapter and merge there."
                )
