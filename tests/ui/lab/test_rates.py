import datetime as dt

from explorer.catalogue.rates import RateRun, RateSweep
from explorer.ui.lab import rates
from tests.lab.catalogue import lab_catalogue

RATE = lab_catalogue().method("lora").lab.learning_rate
SWEEP = RateSweep(
    id="about", about="All methods alike.", command="python -m somewhere", date=dt.date(2026, 1, 2),
    device="2 cores of a toaster", base="tiny", precision="float32", batch_size=4, heldout_rows=9,
    versions={"torch": "2.0", "peft": "0.1"},
)  # fmt: skip


def run(rate, loss, task="order-extraction"):
    return RateRun(
        method="lora", task=task, learning_rate=rate, centre=RATE, steps=4, seed=0,
        heldout_loss=loss, diverged=loss is None, seconds=1.0,
    )  # fmt: skip


def test_each_method_has_its_rate_with_what_was_tried_or_that_nothing_was(monkeypatch):
    runs = (run(RATE, 0.25), run(3 * RATE, 0.5), run(RATE, 1.0, "word-orders"),
            run(3 * RATE, 2.0, "word-orders"), run(10 * RATE, None))  # fmt: skip
    monkeypatch.setattr(rates, "load_rate_runs", lambda: runs)
    monkeypatch.setattr(rates, "load_rate_sweep", lambda: SWEEP)
    shown = rates.rates_card(lab_catalogue(), ["lora", "ia3", "gone"])
    assert f'<strong class="rate">{RATE:g}: 0.500</strong>' in shown
    assert f'<span class="rate">{3 * RATE:g}: 1.000</span>' in shown
    assert f'<span class="rate">{10 * RATE:g}: diverged</span>' in shown
    assert "mean of 2 tasks" in shown
    assert shown.count("Not swept.") == 1
    assert "2 cores of a toaster, float32, torch 2.0, peft 0.1, 02 January 2026" in shown
    assert "python -m somewhere makes the sweep again" in shown
    assert rates.rates_card(lab_catalogue(), []) == ""


def test_the_kept_sweep_is_shown_for_every_method_that_runs():
    runnable = [m.id for m in lab_catalogue().methods.values() if m.unsupported is None]
    shown = rates.rates_card(lab_catalogue(), runnable)
    assert shown.count('<th scope="row">') == len(runnable)
