import pytest

from explorer.catalogue.task import Reached
from explorer.ui.lab.task import task_card
from tests.lab.catalogue import lab_catalogue

TASKS = sorted(lab_catalogue().tasks)


@pytest.mark.parametrize("name", TASKS)
def test_a_tasks_card_says_what_is_learned_and_where_results_are_from(name):
    catalogue = lab_catalogue()
    task = catalogue.tasks[name]
    card = task_card(catalogue, task)
    assert task.metric_note.split(";")[0].split("'")[0] in card
    assert ("Not here: " in card) == (task.measured is not None)
    for run in task.measured.reached if task.measured else ():
        assert run.method in catalogue.methods
        assert run.low <= run.tuned <= run.high


@pytest.mark.parametrize("name", TASKS)
def test_every_survey_method_was_measured_at_what_is_its_default_now(name):
    """Whoever changes a default rate, or a task's steps, has to measure again."""
    catalogue = lab_catalogue()
    task = catalogue.tasks[name]
    reached = {run.method: run for run in task.measured.reached}
    assert {method.id for method in catalogue.methods.values() if method.survey} <= set(reached)
    for run in reached.values():
        assert run.learning_rate == catalogue.method(run.method).lab.learning_rate, run.method
    assert f"{task.steps} steps of {task.batch_size} rows" in task.measured.where


def test_a_card_says_whether_the_survey_beats_the_base():
    catalogue = lab_catalogue()
    cards = {name: task_card(catalogue, catalogue.tasks[name]) for name in TASKS}
    losing = {
        name for name in TASKS if any(run.why for run in catalogue.tasks[name].measured.reached)
    }
    beaten = {n for n in TASKS if "all 5 methods of the survey beat the base here" in cards[n]}
    assert beaten == set(TASKS) - losing
    assert len(beaten) >= 8
    for name in losing:
        assert "not beat" in cards[name] or "no method of the survey beats" in cards[name]
        assert "Base not beaten: " in cards[name]


def test_a_method_that_loses_needs_a_reason():
    given = {"method": "lora", "learning_rate": 0.1, "base": 0.5, "tuned": 0.6}
    with pytest.raises(ValueError, match="does not beat the base: why is missing"):
        Reached(**given, low=0.4, high=0.7)
    assert Reached(**given, low=0.4, high=0.7, why="too few steps").why
