"""Several processes at one run: whole models that agree on gradients (DDP), or shards (FSDP)."""

import os
import re
from functools import cache

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import (
    DistributedDataParallelKwargs,
    DistributedType,
    FullyShardedDataParallelPlugin,
    broadcast,
)
from peft import PeftModel
from torch import Tensor, nn
from torch.distributed.fsdp import CPUOffloadPolicy, fully_shard
from torch.distributed.tensor import DTensor
from transformers.modeling_layers import GradientCheckpointingLayer

from explorer.catalogue.errors import ExplorerError

WHOLE = {DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU}
QUANTIZED = {"Params4bit", "Int8Params"}
LAYER = re.compile(r"\.layers\.(\d+)\.")
LOADING = "FSDP_CPU_RAM_EFFICIENT_LOADING"


@cache
def accelerator(cpu: bool) -> Accelerator:
    """The process's one Accelerator, as the launcher asks for it; a run's job says the precision.

    Raises ExplorerError for a way of sharing the work that the lab does not know.
    """
    # With it every process but the first holds a base without numbers, and methods read them.
    os.environ[LOADING] = "false"
    # A method may leave some of what it trains out of a step, as ShadowPEFT does.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    found = Accelerator(cpu=cpu, mixed_precision="no", kwargs_handlers=[unused])
    asked = os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"
    if asked and found.distributed_type is DistributedType.MULTI_CPU:
        # accelerate leaves FSDP to accelerators; torch's own runs on CPUs as well.
        found.state.fsdp_plugin = FullyShardedDataParallelPlugin()
        found.state.distributed_type = PartialState().distributed_type = DistributedType.FSDP
    demand_known(found.distributed_type, getattr(found.state, "fsdp_plugin", None))
    return found


def demand_known(kind: DistributedType, plugin: FullyShardedDataParallelPlugin | None) -> None:
    """Raise ExplorerError unless the lab can share a run so."""
    if kind is DistributedType.FSDP and plugin is not None:
        if plugin.fsdp_version != 2:
            raise ExplorerError(
                f"The launcher asks for FSDP {plugin.fsdp_version}: the lab shards with FSDP 2. "
                "Launch it with --fsdp_version 2."
            )
        if isinstance(plugin.cpu_offload, CPUOffloadPolicy):
            raise ExplorerError(
                "The launcher asks for shards in the CPU's memory: the lab keeps them on the "
                "devices. Launch it without --fsdp_offload_params."
            )
    elif kind not in WHOLE:
        raise ExplorerError(
            f"The launcher asks for {kind.value}: the lab trains with DDP (--multi_gpu) or with "
            "FSDP (--use_fsdp --fsdp_version 2)."
        )


class Sharing:
    """What the processes that work on one run do together. One process alone is its own first."""

    def __init__(self, device: torch.device) -> None:
        self.accelerator = accelerator(device.type == "cpu")
        self.processes: int = self.accelerator.num_processes
        self.first: bool = self.accelerator.is_main_process
        self.shards: bool = self.accelerator.distributed_type is DistributedType.FSDP
        self.kind = "fsdp" if self.shards else "ddp" if self.processes > 1 else "none"
        # Shards are cut from a base in the CPU's memory, which one device need not hold.
        self.holding = torch.device("cpu") if self.shards else device

    def share(self, numbers: list[int]) -> list[int]:
        """This process's part of a batch's rows; none where there are fewer than processes."""
        return numbers[self.accelerator.process_index :: self.processes]

    def agreed(self, number: int) -> int:
        """The first process's number, in all of them."""
        if self.processes == 1:
            return number
        return int(broadcast(torch.tensor(number, device=self.accelerator.device)))

    def shard(self, model: nn.Module) -> nn.Module:
        """The model, with this process's part of its weights on its device; in place.

        A layer is gathered when it runs, by all processes together. Raises ExplorerError for a
        model that cannot be cut up so.
        """
        demand_shardable(model)
        for unit in units(model):
            fully_shard(unit)
        return fully_shard(model)


def units(model: nn.Module) -> list[nn.Module | list[nn.Module]]:
    """What is gathered at once: a layer, or the ends, whose embedding and head may be tied.

    Prompts, and the parts that they are put in front of, run outside the model's forward pass.
    """
    adapted = isinstance(model, PeftModel)
    base = model.get_base_model() if adapted else model
    layers = [module for module in base.modules() if isinstance(module, GradientCheckpointingLayer)]
    prompts = list(getattr(model, "prompt_encoder", {}).values()) if adapted else []
    ends = [base.get_input_embeddings(), base.get_decoder().norm, base.get_output_embeddings()]
    return [*layers, *prompts, ends]


def demand_shardable(model: nn.Module) -> None:
    """Raise ExplorerError where FSDP's units cannot hold what trains, or would train it wrongly."""
    places: dict[nn.Parameter, set[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        layer = LAYER.search(name)
        places.setdefault(parameter, set()).add(layer[1] if layer else "")
    instead = "train it with DDP (--multi_gpu)."
    if any(type(parameter).__name__ in QUANTIZED for parameter in places):
        raise ExplorerError(f"FSDP shards 16-bit and 32-bit bases, not quantized ones: {instead}")
    if any(len(layers) > 1 for layers in places.values()):
        raise ExplorerError(f"This method's layers share tensors, which FSDP cannot do: {instead}")
    types = {str(p.dtype).removeprefix("torch.") for p in places if p.requires_grad}
    if len(types) > 1:
        told = " and ".join(sorted(types))
        raise ExplorerError(f"This method trains in {told}, which FSDP does not mix: {instead}")
    if any(parameter._backward_hooks for parameter in places):  # a shard is another parameter
        raise ExplorerError(f"This method changes its own gradients, which FSDP omits: {instead}")


@torch.no_grad()
def gather(sharded: nn.Module, whole: nn.Module) -> None:
    """Copy what was trained in shards into the whole model. All processes call it together."""
    into = dict(whole.named_parameters())
    for name, parameter in sharded.named_parameters():
        if parameter.requires_grad:
            into[name].copy_(full(parameter))


def full(tensor: Tensor) -> Tensor:
    """All of a tensor; of a sharded one only when all processes ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def local(tensor: Tensor) -> Tensor:
    """The part of a tensor that this process holds."""
    return tensor._local_tensor if isinstance(tensor, DTensor) else tensor
