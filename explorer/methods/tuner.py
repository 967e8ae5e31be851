"""What LLaMA-Adapter, LLaMA-Adapter V2 and LLaMA-Excitor share as peft tuners."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from peft import PeftConfig
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer
from torch import Tensor, nn
from transformers import Cache, PreTrainedConfig

from explorer.catalogue.errors import ExplorerError
from explorer.methods.attention import PositionEmbeddings, family
from explorer.methods.quantization import keep_gradients

AttentionOutput = tuple[Tensor, Tensor | None]


class AdapterLayer(nn.Module, BaseTunerLayer):
    """A base module with the adapters that act on it.

    Every tensor of an adapter stands in a `ParameterDict` keyed by the adapter's name; the
    class's `adapter_layer_names` lists those dictionaries. `strength` multiplies an adapter's
    effect: 1 as trained, 0 the base. It is a setting of the moment and is not saved.
    """

    other_param_names = ("strength",)

    def __init__(self, base_layer: nn.Module) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.strength: dict[str, float] = {}
        for name in self.adapter_layer_names:
            setattr(self, name, nn.ParameterDict())

    def running_adapters(self) -> list[str]:
        """The adapters that change this module's output now."""
        if self.disable_adapters:
            return []
        return [name for name in self.active_adapters if self.strength.get(name)]


class AttentionLayer(AdapterLayer):
    """An attention module with adapters; subclasses say in `adapted` what they add.

    The properties are what transformers' attention implementations ask of a module.
    """

    @property
    def config(self) -> PreTrainedConfig:
        return self.base_layer.config

    @property
    def layer_idx(self) -> int:
        return self.base_layer.layer_idx

    @property
    def is_causal(self) -> bool:
        return self.base_layer.is_causal

    def forward(
        self,
        hidden_states: Tensor,
        position_embeddings: PositionEmbeddings | None = None,
        attention_mask: Tensor | None = None,
        past_key_values: Cache | None = None,
        **kwargs: Any,
    ) -> AttentionOutput:
        """As the base attention: hidden states [B, M, d] in; the same and the weights out."""
        call = {
            "position_embeddings": position_embeddings,
            "attention_mask": attention_mask,
            "past_key_values": past_key_values,
            **kwargs,
        }
        if not self.running_adapters():
            return self.base_layer(hidden_states, **call)
        heads, weights = self.adapted(hidden_states, **call)
        output = self.base_layer.o_proj(heads.flatten(-2).contiguous()), weights
        return run_forward_hooks(self.base_layer, (hidden_states,), call, output)

    def adapted(
        self,
        hidden_states: Tensor,
        position_embeddings: PositionEmbeddings,
        attention_mask: Tensor | None,
        past_key_values: Cache | None,
        **kwargs: Any,
    ) -> AttentionOutput:
        """The heads' outputs [B, M, H, h] with the running adapters, and the weights."""
        raise NotImplementedError


def run_forward_hooks(
    module: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Any], output: AttentionOutput
) -> AttentionOutput:
    """Hand an output to the forward hooks of the module that it stands for.

    transformers records attention weights with such a hook on the base attention, whose own
    forward does not run when an adapter takes its place.
    """
    for key, hook in module._forward_hooks.items():
        given = (args, kwargs) if key in module._forward_hooks_with_kwargs else (args,)
        changed = hook(module, *given, output)
        output = output if changed is None else changed
    return output


class LlamaTuner(BaseTuner):
    """A tuner that acts on the attention of LLaMA's layers and tells every other model no."""

    method: str  # its name in sentences

    def set_strength(self, adapter_name: str, value: float) -> None:
        """Multiply the effect of an adapter: 1 as trained, 0 exactly the base model.

        Raises ExplorerError for an adapter that is not there or a value that is negative or not
        finite.
        """
        if adapter_name not in self.peft_config:
            known = ", ".join(self.peft_config)
            raise ExplorerError(f"There is no adapter {adapter_name!r} here; there is {known}.")
        if not (math.isfinite(value) and value >= 0):
            raise ExplorerError(f"strength = {value}: it takes a finite number of at least 0.")
        for module in self.model.modules():
            if isinstance(module, AdapterLayer) and adapter_name in module.strength:
                module.strength[adapter_name] = float(value)

    @contextmanager
    def _enable_peft_forward_hooks(self, *args: Any, **kwargs: Any) -> Iterator[None]:
        """Refuse an adapter for each row of a batch, which peft drops silently where it has none.

        peft enters this around every forward pass.
        """
        if kwargs.get("adapter_names") is not None:
            raise ExplorerError(
                f"adapter_names: {self.method} acts on all rows of a batch alike. Choose one "
                "adapter with set_adapter and run its rows by themselves."
            )
        yield

    def _prepare_adapter_config(self, peft_config: PeftConfig, model_config: dict) -> PeftConfig:
        return peft_config

    def _prepare_model(self, peft_config: PeftConfig, model: nn.Module) -> None:
        for name, module in model.named_modules():
            if isinstance(module, BaseTunerLayer) and not isinstance(module, self.tuner_layer_cls):
                raise ExplorerError(
                    f"{self.method} cannot join an adapter of another method: {name} already "
                    f"carries {type(module).__module__}.{type(module).__name__}. Unload it first."
                )
        attentions = attention_names(model)
        if not attentions:
            kind = getattr(getattr(model, "config", None), "model_type", type(model).__name__)
            raise ExplorerError(
                f"{self.method} needs the attention of a LLaMA (model_type llama, or the text "
                f"model of llama4), and this model is {kind!r}."
            )
        if not peft_config.inference_mode:
            keep_gradients(model)
        self._targets = set(self.find_targets(peft_config, model, attentions))

    def find_targets(
        self, peft_config: PeftConfig, model: nn.Module, attentions: list[str]
    ) -> list[str]:
        """The names of the modules to adapt, given those of all attention modules in order."""
        raise NotImplementedError

    def _check_target_module_exists(self, peft_config: PeftConfig, key: str) -> bool:
        return key in self._targets

    def _create_and_replace(
        self,
        peft_config: PeftConfig,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
    ) -> None:
        if not isinstance(target, self.tuner_layer_cls):
            layer = self.new_layer(peft_config, target, current_key)
            self._replace_module(parent, target_name, layer, target)
            target = layer
        target.update_layer(adapter_name, peft_config)

    def new_layer(
        self, peft_config: PeftConfig, target: nn.Module, current_key: str
    ) -> AdapterLayer:
        """The adapter layer to put in the place of `target`."""
        return self.tuner_layer_cls(target)

    def _replace_module(
        self, parent: nn.Module, child_name: str, new_module: nn.Module, child: nn.Module
    ) -> None:
        # adapters are made on the device of the base, and an attention has no weight to hand over
        setattr(parent, child_name, new_module)

    def delete_adapter(self, adapter_name: str) -> None:
        """As in peft, and with the same next adapter active in every layer."""
        was_active = adapter_name in self.active_adapters
        super().delete_adapter(adapter_name)
        # each layer picks the next one among its own, and not every adapter is in every layer
        if was_active and self.peft_config:
            self.set_adapter(min(self.peft_config))

    def _check_merge_allowed(self) -> None:
        raise ExplorerError(
            f"{self.method} cannot be merged: what it adds depends on the input of every forward "
            "pass, so no change of the base weights equals it. Keep the adapter beside the base."
        )

    def merge_adapter(self, *args: Any, **kwargs: Any) -> None:
        self._check_merge_allowed()

    def unmerge_adapter(self) -> None:
        raise ExplorerError(f"{self.method} merges nothing in place: there is nothing to unmerge.")


def attention_names(model: nn.Module) -> list[str]:
    """The names of LLaMA's self-attention modules, adapted or not, from the first layer up."""
    names = []
    for name, module in model.named_modules():
        base = module.get_base_layer() if isinstance(module, AdapterLayer) else module
        if family(base) and not name.endswith(".base_layer"):
            names.append(name)
    return names


def layers_from_top(layers: int, adapter_layers: int | None, skipped: int) -> int:
    """How many layers an adapter takes: `adapter_layers`, or all but `skipped`, at least one.

    Raises ExplorerError when the model has fewer.
    """
    if adapter_layers is None:
        return max(layers - skipped, 1)
    if adapter_layers > layers:
        raise ExplorerError(
            f"adapter_layers = {adapter_layers}: it takes a whole number from 1 to {layers}, the "
            "number of layers of this model."
        )
    return adapter_layers
