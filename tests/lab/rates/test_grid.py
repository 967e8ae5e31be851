import pytest

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.rates import RateRun
from explorer.lab.rates.grid import TASKS, beyond, next_rate, rounded, runnable, stages

CATALOGUE = load_catalogue()


def run(rate, loss):
    return RateRun(
        method="ia3", task=TASKS[0], learning_rate=rate, centre=0.03, steps=4, seed=0,
        heldout_loss=loss, diverged=loss is None, seconds=1.0,
    )  # fmt: skip


def carried_out(method, centre, loss):
    """The rates in the order in which they are tried, `loss` told of each."""
    runs = []
    while rate := next_rate(CATALOGUE.method(method), runs, centre):
        runs.append(run(rate, loss(rate)))
        assert len(runs) < 10
    return [found.learning_rate for found in runs]


def test_the_survey_gets_five_rates_whatever_they_give():
    assert carried_out("lora", 0.002, lambda rate: rate) == [0.002, 0.006, 0.0006, 0.02, 0.0002]
    assert carried_out("full", 0.0001, lambda rate: None)[-1] == 1e-05


@pytest.mark.parametrize(
    ("loss", "rates"),
    [
        (lambda rate: abs(rate - 0.03), [0.03, 0.09, 0.009]),  # the best is in the middle
        (lambda rate: 1 - rate, [0.03, 0.09, 0.009, 0.27, 0.81]),
        (lambda rate: rate, [0.03, 0.09, 0.009, 0.0027, 0.00081, 0.00024, 7.2e-05]),
        (lambda rate: None if rate > 0.05 else 1 - rate, [0.03, 0.09, 0.009]),
    ],
)
def test_others_go_on_while_the_best_lies_at_the_edge(loss, rates):
    assert carried_out("ia3", 0.03, loss) == rates


def test_no_rate_is_above_what_a_run_takes():
    assert carried_out("ia3", 0.5, lambda rate: 1 - rate) == [0.5, 0.15]
    assert beyond([run(0.5, 0.1), run(0.2, 0.3), run(0.1, 0.4)]) is None


def test_stages_go_from_what_matters_most_and_take_in_every_method_that_runs():
    found = stages(runnable(CATALOGUE))
    survey = {method.id for method in CATALOGUE.methods.values() if method.survey} | {"full"}
    assert {method.id for method, _ in found[: len(survey)]} == survey
    assert {task for method, task in found if method.id == "lora"} == set(TASKS)
    runs = {name for name, method in CATALOGUE.methods.items() if method.unsupported is None}
    assert {method.id for method, _ in found} == runs
    assert set(TASKS) <= set(CATALOGUE.tasks)


def test_rates_are_told_in_two_digits():
    assert [rounded(2e-3 * 0.3), rounded(0.0123456), rounded(1e-4 * 3)] == [0.0006, 0.012, 0.0003]
