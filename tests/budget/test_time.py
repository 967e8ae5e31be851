"""Time, energy, money and emissions, each from the figures of the device."""

import pytest

from explorer.budget.forecast import forecast
from explorer.budget.plan import make_plan
from explorer.budget.time import arithmetic_rate
from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError

CATALOGUE = load_catalogue()
SPEEDS = [
    (device, mode)
    for device in CATALOGUE.hardware
    for mode in ("training", "inference")
    if forecast(make_plan(model="llama-3.2-1b", hardware=device), CATALOGUE).time.seconds
]


def budget_of(**values):
    settings = {"model": "llama-3.1-8b", "hardware": "a100-80gb", "batch": 8, "length": 2048}
    return forecast(make_plan(**(settings | values)), CATALOGUE)


def test_training_is_arithmetic_over_the_rate_that_is_reached():
    budget = budget_of(tokens=10**9, efficiency=0.5)
    step = budget.flops.per_step / (312e12 * 0.5)
    assert budget.time.bound == "arithmetic"
    assert budget.time.step_seconds == pytest.approx(step)
    assert budget.time.tokens_per_second == pytest.approx(8 * 2048 / step)
    assert budget.time.hours == pytest.approx(1e9 / (8 * 2048 / step) / 3600)


def test_energy_money_and_emissions_follow_the_hours():
    budget = budget_of(price_per_hour=3.0, grid_intensity=0.1, devices=4, sharding="ddp")
    time = budget.time
    assert time.device_hours == pytest.approx(4 * time.hours)
    assert time.cost_usd == pytest.approx(3 * time.device_hours)
    assert time.energy_kwh == pytest.approx(time.device_hours * 400 * 0.9 / 1000)
    assert time.co2_kg == pytest.approx(time.energy_kwh * 0.1)


def test_decoding_is_bound_by_reading_the_weights():
    budget = budget_of(mode="inference", batch=1, hardware="rtx-4090", quantization="gguf-q4_k_m")
    assert budget.time.bound == "memory bandwidth"
    roof = 1.008e12 / budget.memory.terms["weights"]
    assert 0.5 * roof < budget.time.tokens_per_second < roof


def test_a_token_of_a_tied_model_reads_its_table_as_the_head_and_the_cache():
    values = {"mode": "inference", "method": "full", "batch": 1, "length": 512}
    budget = budget_of(
        model="llama-3.2-1b", quantization="gguf-q8_0", hardware="apple-m1-16gb", **values
    )
    tensors = 1_313_251_328  # of the file on the Hub
    cached = 16 * 2 * 8 * 64 * 2 * (256 + 512) // 2  # layers, keys and values, heads, width, bytes
    assert budget.time.bound == "memory bandwidth"
    assert budget.time.tokens_per_second == pytest.approx(
        0.8 * 68.25e9 / (tensors + cached), rel=0.005
    )
    assert budget.time.tokens_per_second == pytest.approx(41.1, abs=0.2)


def test_devices_without_a_split_serve_more_sequences_and_none_sooner():
    values = {"mode": "inference", "quantization": "gguf-q8_0", "hardware": "h200", "batch": 2}
    one, eight = (budget_of(devices=count, **values) for count in (1, 8))
    assert eight.time.tokens_per_second == one.time.tokens_per_second
    assert eight.time.seconds == one.time.seconds
    assert eight.memory.total == one.memory.total
    assert one.time.tokens_per_second_together == 2 * one.time.tokens_per_second
    assert eight.time.tokens_per_second_together == 16 * one.time.tokens_per_second
    assert eight.time.device_hours == pytest.approx(8 * one.time.device_hours)
    assert any("none of them sooner" in note for note in eight.notes)
    assert not any("none of them sooner" in note for note in one.notes)


@pytest.mark.parametrize("sharding", ["ddp", "zero-3", "fsdp"])
def test_what_shards_training_is_refused_in_inference(sharding):
    with pytest.raises(ExplorerError, match=f"sharding = {sharding} is for training"):
        budget_of(mode="inference", devices=4, sharding=sharding)


def test_experts_that_run_are_those_that_the_engine_runs():
    values = {"mode": "inference", "model": "llama-4-scout-17b-16e", "method": "full"}
    values |= {"batch": 1, "length": 64, "hardware": "cpu-8core"}
    every, chosen = (budget_of(quantization=kind, **values) for kind in ("none", "gguf-bf16"))
    # 48 layers of 16 experts, three matrices of 5120 by 8192 each, two bytes a number
    experts = 48 * 16 * 3 * 5120 * 8192 * 2
    rates = [1 / budget.time.tokens_per_second for budget in (every, chosen)]
    bandwidth = 0.8 * CATALOGUE.device("cpu-8core").memory_bandwidth.value
    assert every.time.bound == chosen.time.bound == "memory bandwidth"
    assert (rates[0] - rates[1]) * bandwidth == pytest.approx(experts * 15 / 16, rel=0.001)
    assert any("runs every expert" in note for note in every.notes)
    assert any("chosen experts alone" in note for note in chosen.notes)


def test_a_step_is_run_as_often_as_it_is_accumulated():
    once, four = (budget_of(accumulation=n).time for n in (1, 4))
    assert four.step_seconds == pytest.approx(4 * once.step_seconds)
    assert four.hours == pytest.approx(once.hours)


def test_v1_takes_less_time_than_lora_and_checkpointing_a_third_more():
    lora, adapter = budget_of(), budget_of(method="llama-adapter-v1", knobs={"adapter_layers": 8})
    assert adapter.time.hours < lora.time.hours
    again = budget_of(checkpointing=True).time.hours / lora.time.hours
    assert 1.25 < again < 1.55


def test_what_no_one_published_is_not_made_up():
    assert budget_of(hardware="rtx-4090").time.cost_usd is None
    unknown = budget_of(hardware="v100-32gb").time
    assert unknown.tokens_per_second is not None  # float16 stands in for bfloat16
    assert unknown.energy_kwh is None
    assert unknown.co2_kg is None


def test_a_device_without_bfloat16_is_rated_by_the_nearest_type():
    device = CATALOGUE.device("t4")
    assert arithmetic_rate(device, "bfloat16") == device.fp16_flops.value


@pytest.mark.parametrize(("device", "mode"), SPEEDS)
def test_no_device_is_faster_than_its_roofs(device, mode):
    budget = forecast(
        make_plan(model="llama-3.2-1b", hardware=device, mode=mode, length=512), CATALOGUE
    )
    rate = arithmetic_rate(CATALOGUE.device(device), "bfloat16")
    least = budget.flops.per_token / rate
    assert budget.time.tokens_per_second <= 1 / least
    assert 0 < budget.time.seconds < 10**9
