import pytest

from explorer.catalogue.catalogue import DATA
from explorer.catalogue.errors import UnknownNameError
from explorer.lab.datasets import find_task, task_rows
from explorer.lab.recipes import make_rows, recipe_names


@pytest.mark.parametrize("task", recipe_names())
def test_a_recipe_makes_the_files_that_are_kept_byte_for_byte(task):
    for name, text in make_rows(task).items():
        assert (DATA / "tasks" / task / name).read_bytes() == text.encode(), (task, name)


@pytest.mark.parametrize("task", recipe_names())
def test_no_held_out_prompt_was_trained_on(task):
    trained = {row.prompt for row in task_rows(task, "train")}
    held_out = {row.prompt for row in task_rows(task, "heldout")}
    assert not trained & held_out
    assert len(held_out) >= 24


@pytest.mark.parametrize("task", recipe_names())
def test_answers_do_not_stand_in_their_own_prompt(task):
    rows = task_rows(task, "train")
    given_away = [row for row in rows if row.completion in row.prompt]
    assert len(given_away) < len(rows) / 4


@pytest.mark.parametrize("task", recipe_names())
def test_every_task_describes_itself(task):
    found = find_task(task)
    assert found.licence == "Apache-2.0"
    assert task.replace("-", "_") in found.made


def test_an_unknown_recipe_is_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'order-extraction'"):
        make_rows("order-extract")
