"""A plan with its names looked up: architecture, method, knobs, counts and activity."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from explorer.budget.activity import Activity, activity
from explorer.budget.needs import refuse_empty, refuse_unmet
from explorer.budget.params import ParameterCount, count_parameters
from explorer.budget.plan import OWN_WEIGHTS, Plan
from explorer.budget.quantization import BITSANDBYTES, refuse_skipped
from explorer.budget.trainable import TrainableCount, count_trainable
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.hardware import Hardware
from explorer.catalogue.method import Method


@dataclass(frozen=True)
class Resolved:
    """What a plan's names stand for."""

    plan: Plan
    arch: Architecture
    method: Method
    knobs: dict[str, Any]
    hardware: Hardware
    params: ParameterCount
    trainable: TrainableCount
    activity: Activity

    @property
    def trains_own_weights(self) -> bool:
        """Whether the method trains the model's own numbers and adds none."""
        return self.method.id in OWN_WEIGHTS


def resolve(plan: Plan, catalogue: Catalogue) -> Resolved:
    """Look up what the plan names.

    Raises UnknownNameError with the nearest name, and ExplorerError where the plan contradicts
    itself (a method that trains quantized weights, a model whose shape is unknown).
    """
    arch = plan.architecture or architecture_of(plan.model, catalogue)
    if plan.quantization in BITSANDBYTES:
        refuse_skipped(arch, plan.skipped_modules)
    method = catalogue.method(plan.method)
    hardware = catalogue.device(plan.hardware)
    if plan.mode == "training" and plan.is_quantized and method.id in OWN_WEIGHTS:
        raise ExplorerError(
            f"{method.name} trains the model's own weights, and quantized ones do not train: "
            "take quantization none, or a method that adds its own."
        )
    knobs, trainable, acts = _method_on(
        arch, _MethodKey(method), tuple(sorted((k, _plain(v)) for k, v in plan.knobs.items()))
    )
    return Resolved(
        plan, arch, method, dict(knobs), hardware, count_parameters(arch), trainable, acts
    )


def recipe_values(method: Method, hardware: Hardware, mode: str = "training") -> dict[str, Any]:
    """Plan settings that a named recipe (QLoRA) asks for beside its adapter, on this device.

    In inference that is only how weights are held. Paged optimizers need CUDA's memory, and the
    recipe has another one for where there is none.
    """
    recipe = method.recipe
    if recipe is None:
        return {}
    held = {
        "quantization": recipe.quantization,
        "double_quantization": recipe.double_quantization,
    }
    if mode == "inference":
        return held
    elsewhere = hardware.kind in ("cpu", "apple")
    optimizer = recipe.optimizer_elsewhere if elsewhere else recipe.optimizer
    return held | {
        "checkpointing": recipe.gradient_checkpointing,
        "optimizer": optimizer.replace("_", "-"),
    }


def architecture_of(model: str, catalogue: Catalogue) -> Architecture:
    """The shape of a model of the catalogue."""
    record = catalogue.model(model)
    if record.architecture is None:
        raise ExplorerError(record.why_no_shape)
    return record.architecture


@dataclass(frozen=True)
class _MethodKey:
    """A method as a key: its id is its name in the cache."""

    method: Method

    def __hash__(self) -> int:
        return hash(self.method.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _MethodKey) and self.method is other.method


@lru_cache(maxsize=4096)
def _method_on(
    arch: Architecture, key: _MethodKey, knobs: tuple[tuple[str, Any], ...]
) -> tuple[tuple[tuple[str, Any], ...], TrainableCount, Activity]:
    values = key.method.read_knobs(dict(knobs))
    refuse_unmet(arch, key.method, values)
    count = count_trainable(arch, key.method, values)
    refuse_empty(key.method, count)
    return tuple(values.items()), count, activity(arch, key.method, values, count)


def _plain(value: Any) -> Any:
    """Lists as tuples, so that they can be part of a key."""
    return tuple(value) if isinstance(value, list) else value
