"""Many plans at once: the same verdicts as one at a time, and fast."""

import time

import pytest

from explorer.budget import layer, resolve, shape, step, tail, trainable
from explorer.budget.forecast import forecast
from explorer.budget.matrix import all_rows, known_models, model_rows, plan_rows
from explorer.budget.plan import OWN_WEIGHTS, make_plan
from explorer.catalogue.catalogue import load_catalogue

CATALOGUE = load_catalogue()
PLAN = make_plan(model="llama-3.1-8b", length=1024)


def method_rows(plan, catalogue):
    return plan_rows((plan.with_values(method=m, knobs={}) for m in catalogue.methods), catalogue)


def test_a_row_says_what_the_plan_alone_says_on_every_device():
    rows = {row.method: row for row in method_rows(PLAN, CATALOGUE)}
    assert set(rows) == set(CATALOGUE.methods)
    for method in ("lora", "full", "llama-adapter-v1", "llama-excitor"):
        row = rows[method]
        assert set(row.verdicts) == set(CATALOGUE.hardware)
        for device in ("rtx-4090", "h200", "apple-m2-24gb", "cpu-8core"):
            alone = forecast(PLAN.with_values(method=method, hardware=device), CATALOGUE)
            assert row.verdicts[device] == alone.fit.verdict, (method, device)
        assert row.total == forecast(PLAN.with_values(method=method), CATALOGUE).memory.total


def test_models_are_those_whose_shape_is_known():
    rows = model_rows(PLAN, CATALOGUE)
    assert [row.model for row in rows] == list(known_models(CATALOGUE))
    assert "llama-4-behemoth" not in {row.model for row in rows}
    assert all(row.total or row.reason for row in rows)


def test_what_cannot_be_says_why_and_quantized_weights_do_not_train():
    plan = PLAN.with_values(knobs={"layers_to_transform": "31"})
    rows = {row.model: row for row in model_rows(plan, CATALOGUE)}
    assert rows["llama-3.1-8b"].total
    assert "layers run from 0 to 15" in rows["llama-3.2-1b"].reason
    assert rows["llama-3.2-1b"].verdicts == {}
    quantized = {row.method: row for row in method_rows(make_plan(
        model="llama-3.1-8b", length=1024, quantization="nf4"), CATALOGUE)}  # fmt: skip
    plain = {row.method: row for row in method_rows(PLAN, CATALOGUE)}
    for method in OWN_WEIGHTS:
        assert plain[method].total
        assert quantized[method].total is None
        assert quantized[method].verdicts == {}
        assert "quantized ones do not train" in quantized[method].reason
    assert quantized["lora"].total < plain["lora"].total


def test_what_cannot_be_run_has_no_verdict_but_the_reason():
    plan = PLAN.with_values(quantization="nf4")
    assert not forecast(plan, CATALOGUE).obstacles
    for row in method_rows(plan, CATALOGUE):
        method = CATALOGUE.method(row.method)
        if method.unsupported:
            assert method.unsupported in row.reason
        elif row.method in OWN_WEIGHTS:
            assert "do not train" in row.reason
        elif not method.trains_on("nf4"):
            assert method.why_not_on("nf4") in row.reason
        else:
            assert row.reason is None
            assert set(row.verdicts) == set(CATALOGUE.hardware)
            continue
        assert row.verdicts == {}
        assert row.total is None
    assert any(row.reason for row in method_rows(PLAN.with_values(
        model="llama-4-scout-17b-16e"), CATALOGUE))  # fmt: skip


def forget():
    """Start as a fresh process does."""
    for cached in (
        shape.shapes_of,
        layer.trace_layer,
        step.layer_runs,
        tail.trace_tail,
        resolve._method_on,
        trainable._selection,
    ):
        cached.cache_clear()


@pytest.mark.alone
def test_every_model_with_every_method_on_every_device_takes_less_than_a_second():
    times = []
    for _ in range(3):
        forget()
        start = time.perf_counter()
        rows = all_rows(PLAN, CATALOGUE)
        times.append(time.perf_counter() - start)
    assert len(rows) > 1500
    assert all(len(row.verdicts) >= 30 for row in rows if row.total)
    assert min(times) < 1


@pytest.mark.alone
@pytest.mark.parametrize("model", ["llama-3.1-8b", "llama-4-maverick-17b-128e", "llama-3.1-405b"])
def test_one_plan_takes_less_than_five_milliseconds(model):
    plan = make_plan(model=model)
    forecast(plan, CATALOGUE)
    times = []
    for length in range(1000, 1030):  # as a slider moves: nothing is cached
        start = time.perf_counter()
        forecast(plan.with_values(length=length), CATALOGUE)
        times.append(time.perf_counter() - start)
    assert sorted(times)[len(times) // 2] < 0.005
