"""Whether a plan fits a device, and plans whose answer people know."""

import pytest

from explorer.budget.fit import comparable_devices, fit_of, usable_bytes
from explorer.budget.forecast import forecast
from explorer.budget.plan import make_plan
from explorer.catalogue.catalogue import load_catalogue

CATALOGUE = load_catalogue()
QLORA = {
    "method": "qlora",
    "quantization": "nf4",
    "double_quantization": True,
    "checkpointing": True,
    "optimizer": "paged-adamw-8bit",
}


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({"model": "llama-3.1-8b", "hardware": "rtx-4090", "checkpointing": True}, "fits"),
        ({"model": "llama-3.1-8b", "hardware": "rtx-4090", **QLORA}, "fits"),
        ({"model": "llama-3.1-8b", "hardware": "rtx-3060-12gb", **QLORA}, "fits"),
        ({"model": "llama-3.1-8b", "hardware": "rtx-4090", "method": "full"}, "does not fit"),
        # QLoRA's paper: a 65B model on one card of 48 GB
        ({"model": "llama-1-65b", "hardware": "rtx-a6000", "length": 512, **QLORA}, "fits"),
        ({"model": "llama-1-65b", "hardware": "rtx-4090", "length": 512, **QLORA}, "does not fit"),
        # Llama 4's fused experts stay in 16 bits: no card of 80 GB holds a "4-bit" Scout
        (
            {"model": "llama-4-scout-17b-16e", "hardware": "h100-sxm", "mode": "inference",
             "quantization": "nf4"},
            "does not fit",
        ),
        (
            {"model": "llama-4-scout-17b-16e", "hardware": "h100-sxm", "mode": "inference",
             "quantization": "gguf-q4_k_m", "length": 4096, "prompt": 16},
            "fits",
        ),
        ({"model": "llama-3.1-8b", "hardware": "rtx-4090", "mode": "inference"}, "fits"),
        ({"model": "llama-3.1-70b", "hardware": "h100-sxm", "mode": "inference"}, "does not fit"),
    ],
    ids=str,
)  # fmt: skip
def test_what_people_know_to_fit_fits(values, verdict):
    fit = forecast(make_plan(**values), CATALOGUE).fit
    assert verdict == ("fits" if fit.fits else "does not fit")


def test_a_verdict_is_tight_above_nine_tenths():
    device = CATALOGUE.device("rtx-4090")
    usable = usable_bytes(device)
    assert usable < device.memory_bytes.value
    assert fit_of(usable + 1, device).verdict == "does not fit"
    assert fit_of(usable, device).verdict == "tight"
    assert fit_of(int(usable * 0.9), device).verdict == "fits"
    assert fit_of(usable + 7, device).free == -7


def test_cards_stand_in_for_cards_and_computers_for_their_own_kind():
    cards = comparable_devices(make_plan(model="llama-3.1-8b"), CATALOGUE)
    assert {device.kind for device in cards} == {"consumer", "workstation", "data centre"}
    sizes = [device.memory_bytes.value for device in cards]
    assert sizes == sorted(sizes)
    macs = comparable_devices(make_plan(model="llama-3.1-8b", hardware="apple-m2-24gb"), CATALOGUE)
    assert {device.kind for device in macs} == {"apple"}


@pytest.mark.parametrize("device", CATALOGUE.hardware)
def test_every_device_can_be_budgeted_and_names_its_sources(device):
    record = CATALOGUE.device(device)
    assert usable_bytes(record) > 2**30
    assert record.memory_bytes.source
    assert record.sources
    assert forecast(make_plan(model="llama-3.2-1b", hardware=device), CATALOGUE).fit.memory


@pytest.mark.parametrize(
    ("device", "gib"), [("t4", 15.0), ("l4", 22.5), ("a10g", 22.5), ("l40s", 45.0)]
)
def test_error_correction_takes_its_bits_from_the_memory_that_is_sold(device, gib):
    memory = CATALOGUE.device(device).memory_bytes
    assert memory.value / 2**30 == pytest.approx(gib, abs=0.02)
    assert memory.also[0].value / 2**30 == pytest.approx(gib * 16 / 15, rel=0.001)
