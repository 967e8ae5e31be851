"""What a training step really holds: saved tensors by hooks, live bytes by the profiler."""

import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.profiler import ProfilerActivity, profile, record_function


def storages(tensors: Iterable[torch.Tensor]) -> dict[int, int]:
    """Bytes by storage, so that views and shared tensors count once."""
    found = {}
    for tensor in tensors:
        parts = [tensor]
        if tensor.is_sparse:
            parts = [tensor._indices(), tensor._values()]
        for part in parts:
            storage = part.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
    return found


def hung_on(model: torch.nn.Module) -> Iterator[torch.Tensor]:
    """Every tensor that hangs on the model: parameters, buffers and what attributes hold.

    peft's own list of a prompt's positions, 8 bytes a token, is left to rounding.
    """
    for module in model.modules():
        for name, value in vars(module).items():
            if name not in ("_modules", "prompt_tokens"):
                yield from _tensors_in(value)


def _tensors_in(value: object, depth: int = 0) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif depth < 4 and isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors_in(item, depth + 1)


class Packed:
    """A saved tensor; lives as long as the operation that saved it, and not in a ring with it."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor.detach()


def saved_bytes(model: torch.nn.Module, forward: Callable[[], torch.Tensor]) -> int:
    """Bytes that autograd keeps for the backward pass, the model's own tensors left out."""
    held = list(hung_on(model))  # or an address of what is replaced meanwhile would serve again
    own = set(storages(held))
    kept: list[weakref.ref[Packed]] = []

    def pack(tensor: torch.Tensor) -> Packed:
        packed = Packed(tensor)
        kept.append(weakref.ref(packed))
        return packed

    with saved_tensors_hooks(pack, lambda packed: packed.tensor):
        loss = forward()
    alive = [packed for reference in kept if (packed := reference()) is not None]
    found = storages(packed.tensor for packed in alive)
    del loss
    return sum(size for pointer, size in found.items() if pointer not in own)


@dataclass(frozen=True)
class Timeline:
    """Peaks of live bytes above those at the start, by phase."""

    forward: int
    backward: int
    step: int
    after_forward: int
    peak: int


def timeline(
    forward: Callable[[], object], step: Callable[[], None], loss: Callable[[object], torch.Tensor]
) -> Timeline:
    """Run a step and read the CPU allocator's own record of it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        with record_function("phase:forward"):
            outputs = forward()
        with record_function("phase:backward"):
            loss(outputs).backward()
        with record_function("phase:step"):
            step()
    events = recorded.profiler.kineto_results.events()
    levels = _levels(events)
    spans = {
        event.name(): (event.start_ns(), event.start_ns() + event.duration_ns())
        for event in events
        if event.name().startswith("phase:")
    }

    def peak(name: str) -> int:
        start, end = spans[f"phase:{name}"]
        return max((level for moment, level in levels if start <= moment <= end), default=0)

    end_of_forward = spans["phase:forward"][1]
    after = [level for moment, level in levels if moment <= end_of_forward]
    return Timeline(
        forward=peak("forward"),
        backward=peak("backward"),
        step=peak("step"),
        after_forward=after[-1] if after else 0,
        peak=max((level for _, level in levels), default=0),
    )


def forward_peak(forward: Callable[[], object]) -> int:
    """The most bytes alive at once in a forward pass, above those at its start."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        forward()
    return max(level for _, level in _levels(recorded.profiler.kineto_results.events()))


def _levels(events: Iterable) -> list[tuple[int, int]]:
    """Live bytes after each allocation and release, with its moment."""
    live = 0
    levels = []
    for event in sorted((e for e in events if e.name() == "[memory]"), key=lambda e: e.start_ns()):
        live += event.nbytes()
        levels.append((event.start_ns(), live))
    return levels
