"""A private module tree over shared weights: adapters go into the view, the base stays as it is."""

import copy
from collections.abc import Iterator

import torch
from torch import nn
from transformers import PreTrainedModel

from explorer.lab.worker.sharing import QUANTIZED, local


def view(base: PreTrainedModel) -> PreTrainedModel:
    """A copy of the module tree whose parameters and buffers share the base's storage, frozen.

    Injecting adapters, switching training mode or hooks on the view leaves the base alone. What is
    going to be trained in place must be made private first: see `privatize`.
    """
    memo: dict[int, object] = {}
    for module in base.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and id(parameter) not in memo:
                memo[id(parameter)] = _shared(parameter)
            memo.update(_quantization_state(module, name, parameter))
        for buffer in module._buffers.values():
            if buffer is not None:
                memo[id(buffer)] = buffer
    return copy.deepcopy(base, memo)


def privatize(model: nn.Module, base: PreTrainedModel) -> int:
    """Give every trainable parameter that shares the base's storage its own; returns the bytes."""
    shared = {parameter.untyped_storage().data_ptr() for parameter in base.parameters()}
    copied = 0
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.untyped_storage().data_ptr() in shared:
            parameter.data = parameter.data.clone()
            copied += parameter.nbytes
    return copied


def storages(model: nn.Module) -> Iterator[torch.UntypedStorage]:
    """Every storage of weights, buffers and quantization states, once each; of shards the own."""
    seen = set()
    for tensor in _tensors(model):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            yield storage


def nbytes(model: nn.Module) -> int:
    """Bytes that the model's weights take, quantization state included."""
    return sum(storage.nbytes() for storage in storages(model))


def _tensors(model: nn.Module) -> Iterator[torch.Tensor]:
    yield from map(local, model.parameters())
    yield from map(local, model.buffers())
    for parameter in model.parameters():
        state = getattr(parameter, "quant_state", None)
        while state is not None:
            yield from (t for t in (state.absmax, state.code, state.offset) if t is not None)
            state = state.state2
        for name in ("CB", "SCB"):
            held = getattr(parameter, name, None)
            if held is not None:
                yield held


def _shared(parameter: nn.Parameter) -> nn.Parameter:
    if type(parameter).__name__ in QUANTIZED:  # never written to
        return parameter
    return nn.Parameter(parameter.data, requires_grad=False)


def _quantization_state(module: nn.Module, name: str, parameter: object) -> dict[int, object]:
    """What bitsandbytes keeps beside a quantized weight, to be shared as well."""
    if name != "weight" or type(parameter).__name__ not in QUANTIZED:
        return {}
    held = [getattr(module, "quant_state", None), getattr(module, "state", None)]
    return {id(item): copy.copy(item) for item in held if item is not None}
