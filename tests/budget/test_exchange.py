"""What several devices exchange, and how much of it a step waits for."""

import pytest

from explorer.budget.exchange import BACKWARD_SHARE, LINK_EFFICIENCY
from explorer.budget.forecast import forecast
from explorer.budget.plan import make_plan
from explorer.catalogue.catalogue import load_catalogue

CATALOGUE = load_catalogue()
FULL = 8_030_261_248 * 2  # bytes of Llama 3.1 8B in bfloat16, and of its gradients


def budget_of(**values):
    settings = {"model": "llama-3.1-8b", "hardware": "a100-80gb", "method": "full", "devices": 8}
    return forecast(make_plan(**(settings | {"sharding": "ddp"} | values)), CATALOGUE)


@pytest.mark.parametrize(
    ("sharding", "accumulation", "volumes"),
    [
        ("ddp", 1, 2), ("ddp", 4, 2), ("zero-1", 4, 2), ("zero-2", 1, 2), ("zero-2", 4, 5),
        ("zero-3", 1, 3), ("fsdp", 4, 12),
    ],
)  # fmt: skip
def test_volumes_are_those_of_the_zero_paper(sharding, accumulation, volumes):
    exchange = budget_of(sharding=sharding, accumulation=accumulation).time.exchange
    assert exchange.bytes == volumes * FULL * 7 // 8


def test_adapters_exchange_their_own_gradients_and_gather_frozen_weights():
    adapter = 3_407_872 * 4  # LoRA of rank 8 on q and v, in float32
    assert budget_of(method="lora").time.exchange.bytes == 2 * adapter * 7 // 8
    weights = FULL + adapter
    sharded = budget_of(method="lora", sharding="fsdp").time.exchange.bytes
    assert sharded == (2 * weights + adapter) * 7 // 8


def test_a_ring_takes_its_bytes_over_half_of_the_link():
    exchange = budget_of().time.exchange
    assert exchange.bandwidth == 6e11
    assert exchange.seconds == pytest.approx(exchange.bytes / (3e11 * LINK_EFFICIENCY))
    asked = budget_of(interconnect=64).time.exchange
    assert asked.seconds == pytest.approx(asked.bytes / (32e9 * LINK_EFFICIENCY))


def test_what_the_backward_hides_costs_nothing_and_the_rest_is_waited_for():
    alone = budget_of(devices=1, sharding="none").time.step_seconds
    fast = budget_of(interconnect=100_000).time
    assert fast.exchange.exposed == 0
    assert fast.step_seconds == pytest.approx(alone)
    slow = budget_of(interconnect=1).time
    assert slow.bound == "exchange"
    assert slow.step_seconds == pytest.approx(
        alone + slow.exchange.seconds - BACKWARD_SHARE * alone
    )
    speed = 8 * 2048 / slow.step_seconds
    assert slow.tokens_per_second == pytest.approx(speed)


def test_one_device_exchanges_nothing_and_an_unknown_link_is_told():
    assert budget_of(devices=1, sharding="none").to_dict()["time"]["exchange"] is None
    told = budget_of(hardware="apple-m1-16gb").to_dict()["time"]["exchange"]
    assert told["seconds"] == 0
    assert "not in the catalogue" in told["note"]


def test_the_volume_is_written_out_with_its_numbers():
    told = budget_of(sharding="zero-2", accumulation=4).to_dict()["time"]["exchange"]
    formula = "micro-batches · gradients + trained weights"
    assert told["formula"] == f"(devices - 1) / devices · ({formula})"
    assert told["filled"] == f"7/8 · (4 · {FULL:,} + {FULL:,})"
