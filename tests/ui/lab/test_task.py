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


def test_a_method_that_loses_needs_a_reason():
    with pytest.raises(ValueError, match="does not beat the base: why is missing"):
        Reached(method="lora", base=0.5, tuned=0.6, low=0.4, high=0.7)
    assert Reached(method="lora", base=0.5, tuned=0.6, low=0.4, high=0.7, why="too few steps").why
