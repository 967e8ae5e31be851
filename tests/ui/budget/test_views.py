"""Answer and views: the numbers on the page are the budget's, and links lead to what they say."""

import html
import json
import re

import pytest

from explorer.budget.explain import explain
from explorer.budget.export import gib
from explorer.budget.plan import OPTIMIZERS
from explorer.ui.budget import (
    cache,
    checked,
    files,
    limits,
    matrix,
    memory,
    parameters,
    pins,
    sensitivity,
    speed,
)
from explorer.ui.budget.answer import answer
from explorer.ui.budget.case import duration, money, peak_parts
from explorer.ui.budget.form import OPTIMIZER_NAMES
from explorer.ui.budget.handlers import WISHES, Wish
from explorer.ui.tabs.budget import VIEWS
from tests.ui.budget.form import CATALOGUE, CONFIG, case, handlers, lines, values

PLANS = {
    "usual": {},
    "does not fit": {"method": "full", "hardware": "rtx-4090"},
    "moe": {"model": "llama-4-scout-17b-16e", "method": "qlora", "hardware": "h100-sxm"},
    "vision": {"model": "llama-3.2-11b-vision", "method": "llama-adapter-v1"},
    "inference": {"mode": "inference", "quantization": "gguf-q4_k_m", "model": "llama-3.1-70b"},
    "own": {"config": CONFIG, "hardware": "cpu-2core"},
    "sharded": {"method": "full", "devices": 8, "sharding": "zero-3"},
}


def text(markup):
    return html.unescape(re.sub(r"<[^>]+>", " ", str(markup)))


def plans_in(markup):
    return [html.unescape(line) for line in re.findall(r'data-plan="([^"]*)"', str(markup))]


def wish(**changes):
    usual = {"view": "memory", "pinned": "", "rows": "methods", "kinds": [], "against": "length"}
    usual |= {"measure": "memory", "format": "md", "theme": "light"}
    return list((usual | changes).values())


def test_words_for_bytes_times_and_money():
    assert [gib(n) for n in (2**30, 2**20, 100)] == ["1.00 GiB", "1.00 MiB", "100 B"]
    assert [duration(s) for s in (0.5, 30, 600, 7200, 200_000, 1e9, None)] == [
        "500 ms",
        "30 s",
        "10 min",
        "2 h",
        "2.31 days",
        "31.7 years",
        "unknown",
    ]
    assert [money(d) for d in (0.001, 3.5, 12_345.6, None)] == [
        "under $0.01",
        "$3.50",
        "$12,346",
        "no price known",
    ]
    assert set(OPTIMIZER_NAMES) == set(OPTIMIZERS)


@pytest.mark.parametrize("changes", PLANS.values(), ids=PLANS)
def test_the_answer_holds_the_budgets_figures(changes):
    found = case(**changes)
    shown = text(answer(found))
    assert gib(found.budget.memory.total) in shown
    assert found.model_name in shown
    if found.trains:
        assert f"{found.budget.resolved.trainable.total:,}" in shown
    assert ("Does not fit" in shown) == (not found.budget.fit.fits)
    assert ("What makes it fit" in shown) <= (not found.budget.fit.fits)
    assert sum(peak_parts(found.budget.memory).values()) == found.budget.memory.total


def test_each_way_out_leads_to_a_plan_that_fits():
    ways = plans_in(answer(case(**PLANS["does not fit"])))
    assert ways
    for line in ways:
        assert handlers().case(list(lines().read(line).values())).budget.fit.fits, line


@pytest.mark.parametrize("changes", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("view", [memory, parameters, speed, limits, cache])
def test_every_view_can_be_drawn_of_every_plan_and_its_links_open(view, changes):
    shown = view.view(case(**changes))
    assert "None" not in text(shown)
    assert "nan" not in text(shown).split()
    for line in plans_in(shown):
        handlers().case(list(lines().read(line).values()))


def test_the_waterfall_has_each_term_with_its_formula_and_numbers():
    found = case(method="qlora")
    shown = text(memory.view(found))
    for step in explain(found.budget):
        assert step.formula in shown
        assert step.filled in shown
        assert f"{step.bytes:,} bytes" in shown


def test_the_limits_are_tight():
    found = case()
    batch = next(line for line in plans_in(limits.view(found)) if line.startswith("batch="))
    most = int(batch.removeprefix("batch="))
    assert case(batch=most).budget.fit.fits
    assert not case(batch=most + 1).budget.fit.fits


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"quantization": "nf4", "optimizer": "sgd", "r": 4},
        {"method": "qlora", "checkpointing": "false", "knobs": "lora_dropout=0.1"},
        {"method": "llama-excitor", "quantization": "int8", "devices": 2, "sharding": "fsdp"},
    ],
    ids=lambda values: values.get("method", "lora"),
)
@pytest.mark.parametrize("what", matrix.ROWS)
def test_the_matrix_has_every_row_and_says_for_each_device_what_its_plan_says(what, values):
    found = case(**values)
    rows = matrix.rows_of(found.values, CATALOGUE, what)
    assert len(rows) == len(CATALOGUE.methods if what == "methods" else rows) > 20
    shown = matrix.view(found, what, [])
    opened = plans_in(shown)
    assert len(opened) == len(rows)
    for line, row in list(zip(opened, rows, strict=True))[:: 1 if what == "methods" else 8]:
        budget = handlers().case(list(lines().read(line).values())).budget
        if budget.obstacles:
            assert row.reason == " ".join(budget.obstacles)
            continue
        assert row.total == budget.memory.total, line
        assert row.verdicts[budget.plan.hardware] == budget.fit.verdict


def test_the_matrix_shows_the_kinds_of_devices_that_were_chosen():
    shown = text(matrix.view(case(), "methods", ["apple"]))
    assert "M1" in shown
    assert "RTX 4090" not in shown


def test_published_runs_stand_there_with_their_errors():
    shown = text(checked.view(CATALOGUE))
    middle, most = checked.band(checked.compare_all(CATALOGUE))
    assert f"half of them within {100 * middle:.1f} %" in shown
    assert f"the farthest {100 * most:.1f} %" in shown
    assert middle < 0.05
    assert "−0.0%" not in shown


def test_what_comes_off_has_a_minus_sign_and_every_column_with_a_head_has_a_name():
    assert "−0.19 GiB" in text(memory.view(case()))
    for view in (memory.view, parameters.view, speed.view, limits.view):
        assert not re.search(r"<th[^>]*></th>", str(view(case())))


def test_pinned_plans_stand_beside_the_form_and_a_wrong_one_says_why():
    shown = text(pins.view(case(), "method=full\nr=5000"))
    assert f"{case(method='full').budget.resolved.trainable.total:,}" in shown
    assert "lies between 0 and 512" in shown
    assert pins.NONE_YET in text(pins.view(case(), ""))


def test_pinning_keeps_plans_apart_and_stops_at_four():
    page = handlers()
    held = ""
    for batch in range(1, 5):
        held = page.pin(held, *values(batch=batch))
    assert held.splitlines() == ["model=llama-3.1-8b", "batch=2", "batch=3", "batch=4"]
    with pytest.raises(Exception, match="pinned already"):
        page.pin(held, *values(batch=2))
    with pytest.raises(Exception, match="4 plans are pinned"):
        page.pin(held, *values(batch=9))


@pytest.mark.parametrize("kind", files.FORMATS)
def test_files_hold_the_plan(kind):
    found = case(r=16)
    written, name = handlers().save(kind, "", *values(r=16))
    assert name == f"llama-3.1-8b-lora-budget.{kind}"
    if kind == "json":
        assert json.loads(written)["memory"]["total"] == found.budget.memory.total
    elif kind == "py":
        compile(written, name, "exec")
        assert "r=16" in written
    else:
        assert f"{found.budget.resolved.trainable.total}" in written.replace(",", "")


@pytest.mark.parametrize("against", sensitivity.STEPS)
def test_a_curve_passes_through_the_plan_itself(against):
    found = case(r=16)
    swept = sensitivity.sweep(found.budget, CATALOGUE, against)
    (here,) = [point for point in swept.points if point.x == swept.here]
    assert sum(here.memory.values()) == found.budget.memory.total
    assert here.trainable == found.budget.resolved.trainable.total
    assert len(swept.points) >= 5


@pytest.mark.parametrize("view", VIEWS)
def test_one_redraw_gives_the_answer_and_only_what_is_seen(view):
    assert len(wish()) == WISHES
    answered, drawn, plot, _, code, *lab = handlers().redraw(*wish(view=view), *values(r=4))
    assert "Fits" in answered
    assert bool(drawn) == (view not in ("sensitivity", "export"))
    assert "data" in plot.to_dict() if view == "sensitivity" else "update" in str(plot)
    assert ("update" in str(code)) or view == "export"
    assert lab[:2] == [["lora"], "lora.r=4"]
    assert Wish(*wish(view=view)).view == view


def test_a_wrong_plan_shows_its_sentence_and_no_figures():
    answered, drawn, *_, button = handlers().redraw(*wish(), *values(batch=0))
    assert "batch = 0" in answered
    assert drawn == ""
    assert button.interactive is False


def test_what_a_visitor_types_is_text():
    answered, *_ = handlers().redraw(*wish(), *values(knobs="<b>x</b>=1"))
    assert "<b>" not in answered


def test_what_cannot_be_run_is_not_said_to_fit():
    found = case(method="hra", quantization="nf4")
    card = str(answer(found))
    assert found.budget.fit.fits
    assert "Cannot be run" in card
    assert "Fits on" not in card
    assert card.count("HRA does not train on a base in nf4") == 1
    assert "Fits on" in str(answer(case(method="lora", quantization="nf4")))
