"""The calculator over HTTP: the same numbers as on the page, and sentences for what is wrong."""

import json

import pytest

from explorer.ui.budget.endpoints import PUBLIC, Endpoints
from explorer.ui.budget.verify import compared
from tests.ui.budget.form import CATALOGUE, CONFIG, case

ASK = Endpoints(CATALOGUE)
PLAN = {"model": "llama-3.1-8b", "r": 16}


def test_every_endpoint_says_what_it_takes():
    for name in PUBLIC:
        endpoint = getattr(ASK, name)
        assert endpoint.__doc__
        assert "return" in endpoint.__annotations__


def test_the_count_is_the_one_of_the_paper():
    assert ASK.count("llama-3.1-8b", "lora")["trainable"] == 3_407_872
    assert ASK.count("llama-3.1-8b", "lora", 4, ["q_proj"])["trainable"] == 32 * 4 * 8192


def test_a_budget_is_that_of_the_page_and_plain_json():
    found = ASK.budget(PLAN)
    assert found["memory"]["total"] == case(r=16).budget.memory.total
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(found))
    assert ASK.budget({"config": CONFIG, "method": "full"})["params"]["total"] > 0


def test_terms_add_up_to_the_peak():
    steps = ASK.budget_formulas(PLAN)
    assert sum(step["bytes"] for step in steps) == ASK.budget(PLAN)["memory"]["total"]


def test_changes_make_it_fit_and_a_plan_that_fits_needs_none():
    assert ASK.budget_changes(PLAN) == []
    tight = {"model": "llama-3.1-8b", "method": "full", "hardware": "rtx-4090"}
    ways = ASK.budget_changes(tight)
    assert ways
    for way in ways:
        assert ASK.budget(tight | way["settings"])["fits"]


def test_limits_are_what_still_fits():
    limits = ASK.budget_limits(PLAN)
    assert ASK.budget(PLAN | {"batch": limits["batch"]})["fits"]
    assert not ASK.budget(PLAN | {"batch": limits["batch"] + 1})["fits"]
    assert ASK.budget(PLAN | {"hardware": limits["device"]})["fits"]
    assert ASK.budget(PLAN | {"model": limits["model"]})["fits"]


def test_curve_matrix_and_measured_runs_have_their_rows():
    curve = ASK.budget_curve(PLAN, "batch")
    assert [row["batch"] for row in curve][:3] == [1, 2, 4]
    rows = ASK.budget_matrix(PLAN)
    assert {row["method"] for row in rows} == set(CATALOGUE.methods)
    assert set(rows[0]["verdicts"]) == set(CATALOGUE.hardware)
    assert len(ASK.budget_measured()) > 20


def test_a_file_holds_up_to_four_plans():
    both = json.loads(ASK.budget_file([PLAN, PLAN | {"method": "ia3"}], "json"))
    assert [one["plan"]["method"] for one in both] == ["lora", "ia3"]
    with pytest.raises(Exception, match="5 plans: it takes 1 to 4"):
        ASK.budget_file([PLAN] * 5)
    with pytest.raises(Exception, match="json"):
        ASK.budget_file([PLAN], "jsn")


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ([], "A plan is an object"),
        ({}, "names no model"),
        ({"model": "llama-3.1-8"}, "llama-3.1-8b"),
        ({"config": "x" * 2_000_000}, "longer than"),
        (PLAN | {"batch": "many"}, "batch"),
        (PLAN | {"architecture": {}}, "architecture"),
    ],
)
def test_nonsense_gets_a_sentence(plan, words):
    with pytest.raises(Exception, match=words):
        ASK.budget(plan)


def test_counts_are_compared_to_the_integer():
    assert compared(3, 3)["equal"] is True
    assert compared(3, 4)["equal"] is False
    assert compared(3, None)["equal"] is None
