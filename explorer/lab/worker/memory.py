"""Peak memory, exactly: every storage that torch allocates, while it lives."""

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class Allocations(TorchDispatchMode):
    """Adds up the storages that operations return, on a device that keeps no such count itself.

    A storage counts from the operation that made it until nothing holds it. What a kernel uses
    inside and frees again is not seen. Slows operations down: use it for a step or two.
    """

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device
        self.living: dict[int, int] = {}
        self.current = 0
        self.peak = 0

    def watch(self, tensor: Tensor) -> None:
        """Count a tensor's storage from now on, if it is not counted yet."""
        if tensor.device.type != self.device:
            return
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self.living:
            return
        size = storage.nbytes()
        self.living[key] = size
        self.current += size
        self.peak = max(self.peak, self.current)
        weakref.finalize(storage, self._freed, key).atexit = False

    def _freed(self, key: int) -> None:
        self.current -= self.living.pop(key, 0)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for item in tree_iter(result):
            if isinstance(item, Tensor):
                self.watch(item)
        return result


class PeakMemory:
    """The most bytes that training held at once, and what they were.

    On CUDA the allocator's own count; elsewhere `Allocations` around the first steps, when the
    optimizer's state has come into being and every later step repeats the same work.
    """

    TRACED_STEPS = 2

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.peak = 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            self.trace = Allocations(device.type)

    def traces(self, step: int) -> bool:
        """Whether this step runs under `Allocations`."""
        return self.device.type != "cuda" and step <= self.TRACED_STEPS

    def read(self, held: int) -> int:
        """Peak bytes so far. `held` are the weights, which were there before counting began."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        return held + self.trace.peak
