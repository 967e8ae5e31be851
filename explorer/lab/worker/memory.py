"""Peak memory, exactly: every storage that torch allocates, while it lives."""

import weakref
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

import psutil
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from explorer.lab.worker.sharing import local
from explorer.lab.worker.view import nbytes, storages


def device_bytes(device: torch.device) -> int:
    """All the memory that a device has, in use or not."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    return psutil.virtual_memory().total


class Allocations(TorchDispatchMode):
    """Adds up the storages that operations return, on a device that keeps no such count itself.

    A storage counts from the operation that made it until nothing holds it, with the size that it
    has at the time: FSDP lets go of gathered weights by making their storage empty. Those in
    `known` were there before and do not count. What a kernel uses inside and frees again is not
    seen. Slows operations down: use it for a step or two.
    """

    def __init__(self, device: str, known: Iterable[torch.UntypedStorage] = ()) -> None:
        super().__init__()
        self.device = device
        self.known = {storage._cdata for storage in known}
        self.living: dict[int, int] = {}
        self.held: dict[int, weakref.ref[torch.UntypedStorage]] = {}
        self.current = 0
        self.peak = 0

    def __enter__(self) -> Self:
        for reference in list(self.held.values()):
            if (storage := reference()) is not None:
                self._resized(storage)  # while nobody watched
        watch, plain = self._resized, torch.UntypedStorage.resize_

        def resize(storage: torch.UntypedStorage, size: int) -> torch.UntypedStorage:
            result = plain(storage, size)
            watch(storage)
            return result

        torch.UntypedStorage.resize_ = resize
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        del torch.UntypedStorage.resize_  # what it inherits shows again
        super().__exit__(*error)

    def watch(self, tensor: Tensor) -> None:
        """Count a tensor's storage from now on, if it is not counted yet."""
        tensor = local(tensor)
        if tensor.device.type != self.device:
            return
        if tensor.layout is not torch.strided:
            for part in _parts(tensor):
                self.watch(part)
            return
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self.living or key in self.known:
            return
        self.living[key], self.held[key] = 0, weakref.ref(storage)
        self._resized(storage)
        weakref.finalize(storage, self._freed, key).atexit = False

    def _resized(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self.living:
            self.current += size - self.living[key]
            self.living[key] = size
            self.peak = max(self.peak, self.current)

    def _freed(self, key: int) -> None:
        self.current -= self.living.pop(key, 0)
        self.held.pop(key, None)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for item in tree_iter(result):
            if isinstance(item, Tensor):
                self.watch(item)
        return result


def _parts(tensor: Tensor) -> tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor]:
    """The plain tensors that a sparse one is made of, in coordinates or in compressed rows."""
    if tensor.layout is torch.sparse_coo:
        return tensor._indices(), tensor._values()
    return tensor.crow_indices(), tensor.col_indices(), tensor.values()


class OnDevice:
    """The same of a GPU, by its allocator's own count, of what happens inside of it alone.

    Other bases, other runs and answers that are decoded in between lie on the same device.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.current = 0
        self.peak = 0
        self.begun = 0

    def __enter__(self) -> Self:
        self.begun = torch.cuda.memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        return self

    def __exit__(self, *error: object) -> None:
        most = torch.cuda.max_memory_allocated(self.device) - self.begun
        self.peak = max(self.peak, self.current + most)
        self.current += torch.cuda.memory_allocated(self.device) - self.begun


class PeakMemory:
    """The most bytes that training held at once.

    On CUDA the allocator's own count; elsewhere `Allocations` around the first two steps, after
    which the optimizer's state is there, and around every step on a bigger batch than before.
    """

    def __init__(self, model: nn.Module) -> None:
        device = next(model.parameters()).device
        self.held = nbytes(model)
        self.largest: tuple[int, int] = (0, 0)
        self.free = device.type == "cuda"  # of charge: it need not be done sparingly
        self.trace: Allocations | OnDevice = (
            OnDevice(device) if self.free else Allocations(device.type, storages(model))
        )

    def allocating(self) -> AbstractContextManager[Any]:
        """What to make things in that stay for the whole training."""
        return self.trace

    def watching(self, step: int, size: tuple[int, int]) -> AbstractContextManager[Any]:
        """What to run a step in; `size` is the batch's places, and those with logits."""
        bigger = size[0] > self.largest[0] or size[1] > self.largest[1]
        self.largest = max(size[0], self.largest[0]), max(size[1], self.largest[1])
        return self.trace if self.free or bigger or step <= 2 else nullcontext()

    def read(self) -> int:
        """Peak bytes so far, the model's own included."""
        return self.held + self.trace.peak
