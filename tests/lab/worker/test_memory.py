import pytest
import torch

from explorer.lab.worker.memory import Allocations, OnDevice

KIB = 256  # float32 numbers


def test_living_storages_are_counted_and_freed_ones_are_not():
    with Allocations("cpu") as trace:
        kept = torch.zeros(4 * KIB)
        for _ in range(3):
            torch.zeros(10 * KIB)
        assert trace.current == 4 * 1024
        assert trace.peak == 14 * 1024
        del kept
    assert trace.current == 0
    assert trace.peak == 14 * 1024


def test_views_and_in_place_operations_cost_nothing():
    with Allocations("cpu") as trace:
        whole = torch.zeros(8, KIB)
        half = whole[:4].t()
        half.add_(1)
        assert trace.peak == 8 * 1024


def test_what_was_there_before_does_not_count():
    weight = torch.ones(8, KIB)
    with Allocations("cpu", [weight.untyped_storage()]) as trace:
        weight.t().mul_(2)
        (weight[:1] + 1).sum()
    assert trace.peak <= 1024 + 4


def test_what_is_saved_for_backward_counts_until_backward_is_done():
    weight = torch.ones(KIB, requires_grad=True)  # there before: not counted
    with Allocations("cpu") as trace:
        loss = (weight * 2).exp().sum()  # exp keeps its result
        assert trace.current == 1024 + 4
        loss.backward()
        # at the peak: the result of exp, its gradient and that of the product
        assert trace.peak >= 2 * 1024
        del loss
    assert trace.current == 1024  # the weight's gradient
    assert weight.grad is not None


def test_a_storage_that_is_emptied_and_filled_again_counts_what_it_holds():
    """As FSDP does with the weights that it gathers; also while nobody watches."""
    trace = Allocations("cpu")
    with trace:
        gathered = torch.zeros(4 * KIB)
        gathered.untyped_storage().resize_(0)
        assert trace.current == 0
        other = torch.zeros(2 * KIB)
        assert trace.peak == 4 * 1024
    gathered.untyped_storage().resize_(3 * 1024)
    with trace:
        assert trace.current == 5 * 1024
    assert trace.peak == 5 * 1024
    assert other.untyped_storage().resize_(0).nbytes() == 0
    assert trace.current == 5 * 1024


def test_the_peak_of_a_known_computation_is_exact():
    a = torch.ones(64, 64)
    with Allocations("cpu") as trace:
        b = a @ a
        c = b @ b
        del b
        d = c @ c
    assert trace.peak == 2 * 64 * 64 * 4
    assert d.shape == (64, 64)


@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr])
@pytest.mark.filterwarnings("ignore:Sparse")
def test_a_sparse_tensor_weighs_its_places_and_its_values(layout):
    dense = torch.zeros(64, 64)
    dense[3, 5] = dense[8, 9] = dense[60, 1] = 1.0
    with Allocations("cpu") as seen:
        sparse = dense.to_sparse(layout=layout)
        held = seen.current
    parts = (
        (sparse._indices(), sparse._values())
        if layout is torch.sparse_coo
        else (sparse.crow_indices(), sparse.col_indices(), sparse.values())
    )
    assert held == sum(part.untyped_storage().nbytes() for part in parts)
    del sparse, parts
    assert seen.current == 0


class Allocator:
    """CUDA's counts as torch tells them, of numbers that a test sets."""

    def __init__(self, monkeypatch):
        self.now = self.most = 0
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: self.now)
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: self.most)
        monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", self.reset)

    def reset(self, device):
        self.most = self.now

    def take(self, size):
        self.now += size
        self.most = max(self.most, self.now)


def test_on_a_gpu_only_what_the_run_itself_takes_counts(monkeypatch):
    """Another base lies there, and answers are decoded between its forward and backward pass."""
    allocator = Allocator(monkeypatch)
    allocator.take(5000)  # the bases
    trace = OnDevice(torch.device("cuda"))
    with trace:
        allocator.take(100)  # the optimizer's masters
    allocator.take(7000)  # a comparison begins
    with trace:
        allocator.take(300)  # what the forward pass saves
    allocator.take(900)  # the comparison goes on, and ends
    allocator.take(-7900)
    with trace:
        allocator.take(200)  # gradients
        allocator.take(-450)
    assert trace.peak == 600
    assert trace.current == 150
    assert allocator.now == 5150
