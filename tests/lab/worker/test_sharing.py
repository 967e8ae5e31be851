import pytest
import torch
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch import nn

from explorer.catalogue.errors import ExplorerError
from explorer.lab.worker.sharing import Sharing, demand_known, demand_shardable
from explorer.methods.attach import attach
from tests.lab.worker.conftest import take


def plugin(**settings):
    return FullyShardedDataParallelPlugin(**{"fsdp_version": 2} | settings)


@pytest.mark.parametrize("kind", [DistributedType.NO, DistributedType.MULTI_GPU])
def test_whole_models_are_taken(kind):
    demand_known(kind, None)


def test_shards_are_taken_as_the_lab_makes_them():
    demand_known(DistributedType.FSDP, plugin())
    with pytest.raises(ExplorerError, match=r"asks for FSDP 1: .*--fsdp_version 2"):
        demand_known(DistributedType.FSDP, plugin(fsdp_version=1))
    with pytest.raises(ExplorerError, match="without --fsdp_offload_params"):
        demand_known(DistributedType.FSDP, plugin(cpu_offload=True))


@pytest.mark.parametrize("kind", [DistributedType.DEEPSPEED, DistributedType.XLA])
def test_what_the_lab_does_not_know_is_refused(kind):
    with pytest.raises(ExplorerError, match=rf"asks for {kind.value}: .*--multi_gpu"):
        demand_known(kind, None)


def test_one_process_is_its_own_first():
    alone = Sharing(torch.device("cpu"))
    assert (alone.processes, alone.first, alone.shards, alone.kind) == (1, True, False, "none")
    assert alone.share([3, 1, 2]) == [3, 1, 2]
    assert alone.agreed(7) == 7
    assert alone.holding == torch.device("cpu")


@pytest.mark.parametrize(
    ("method", "why"),
    [
        ("lora", None),
        ("full", None),  # head and embedding are one tensor here
        ("unilora", "layers share tensors"),
        ("lily", "layers share tensors"),
        ("osf", "changes its own gradients"),
        ("cpt", "changes its own gradients"),
    ],
)
def test_a_method_that_shards_would_train_wrongly_is_refused(loaded, method, why):
    model = attach(loaded.view(), method)
    if why is None:
        demand_shardable(model)
    else:
        with pytest.raises(ExplorerError, match=rf"{why}, which FSDP .*--multi_gpu"):
            demand_shardable(model)


def test_a_quantized_base_is_refused(shelf, tiny_base):
    model = attach(take(shelf, tiny_base, quantization="nf4").view(), "lora")
    with pytest.raises(ExplorerError, match=r"not quantized ones: .*--multi_gpu"):
        demand_shardable(model)


def test_types_that_differ_are_refused():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).bfloat16())
    with pytest.raises(ExplorerError, match="trains in bfloat16 and float32"):
        demand_shardable(model)
