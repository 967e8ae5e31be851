"""What to change when a plan does not fit."""

import time

import pytest

from explorer.budget.advice import suggestions
from explorer.budget.fit import fit_of
from explorer.budget.forecast import forecast
from explorer.budget.plan import changed, make_plan
from explorer.catalogue.catalogue import load_catalogue

CATALOGUE = load_catalogue()
PLANS = [
    {"model": "llama-3.1-8b", "hardware": "rtx-4090", "length": 8192},
    {"model": "llama-3.1-70b", "method": "full", "hardware": "rtx-4090"},
    {"model": "llama-3.1-405b", "method": "qlora", "quantization": "nf4", "hardware": "h100-sxm"},
    {"model": "llama-3.1-8b", "hardware": "cpu-2core", "batch": 4},
    {"model": "llama-3.1-70b", "mode": "inference", "hardware": "apple-m1-16gb"},
    {"model": "llama-3.1-8b", "mode": "inference", "hardware": "rtx-3060-12gb", "length": 32_768},
    {"model": "llama-4-scout-17b-16e", "quantization": "nf4", "hardware": "h100-sxm"},
    {"model": "llama-3.2-3b", "method": "full", "batch": 8, "hardware": "a100-40gb"},
]


@pytest.mark.parametrize("values", PLANS, ids=str)
def test_every_suggestion_fits_and_nothing_in_it_is_idle(values):
    plan = make_plan(**values)
    found = suggestions(plan, CATALOGUE)
    assert 1 <= len(found) <= 3
    for suggestion in found:
        settings = {k: v for change in suggestion.changes for k, v in change.values.items()}
        budget = forecast(changed(plan, **settings), CATALOGUE)
        assert budget.fit.fits
        assert budget.memory.total == suggestion.total
        assert all(change.cost for change in suggestion.changes)
        for left_out in suggestion.changes:
            rest = [change for change in suggestion.changes if change is not left_out]
            fewer = {k: v for change in rest for k, v in change.values.items()}
            total = forecast(changed(plan, **fewer), CATALOGUE)
            assert not total.fit.fits, left_out.what
    assert [one.harm for one in found] == sorted(one.harm for one in found)


def test_a_plan_that_fits_needs_no_change():
    assert suggestions(make_plan(model="llama-3.2-1b"), CATALOGUE) == []


def test_the_first_suggestion_changes_nothing_about_the_result_where_that_suffices():
    found = suggestions(make_plan(**PLANS[0]), CATALOGUE)
    assert found[0].harm == 0
    assert {change.what for change in found[0].changes} == {
        "Compute head and loss in chunks",
        "Checkpoint the layers",
    }
    assert found[0].slower == pytest.approx(1.33, abs=0.05)  # the forward runs twice


def test_lora_and_qlora_are_different_suggestions():
    plan = make_plan(model="llama-3.1-8b", method="full", hardware="a100-40gb")
    kinds = {
        change.what: change.values
        for suggestion in suggestions(plan, CATALOGUE, wanted=9)
        for change in suggestion.changes
    }
    assert "quantization" not in kinds["LoRA instead of all weights"]


def test_a_move_is_to_the_smallest_card_that_suffices():
    plan = make_plan(model="llama-3.1-8b", hardware="rtx-4090", length=4096)
    move = next(
        suggestion
        for suggestion in suggestions(plan, CATALOGUE)
        if "hardware" in suggestion.changes[-1].values
    )
    chosen = CATALOGUE.device(move.plan.hardware)
    smaller = [
        device
        for device in CATALOGUE.hardware.values()
        if device.kind not in ("apple", "cpu")
        and device.memory_bytes.value < chosen.memory_bytes.value
    ]
    assert smaller
    assert not any(fit_of(move.total, device).fits for device in smaller)


@pytest.mark.alone
def test_suggestions_come_while_a_slider_moves():
    plan = make_plan(**PLANS[1])
    suggestions(plan, CATALOGUE)
    times = []
    for length in (1900, 1901, 1902):
        start = time.perf_counter()
        suggestions(plan.with_values(length=length), CATALOGUE)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.1
