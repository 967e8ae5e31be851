"""The history's picks: what the table says is pressed, whatever the server knew before."""

from types import SimpleNamespace

import pytest

from explorer.lab.job import TrainJob
from explorer.lab.runs import Result, create_run
from explorer.ui.lab.history import Handlers
from tests.lab.catalogue import lab_catalogue
from tests.lab.conftest import runs_here  # noqa: F401  # fixture


@pytest.mark.parametrize(
    ("picked", "pressed", "run", "then"),
    [
        ([], ["a"], "a", ["a"]),
        (["a"], ["a", "b"], "b", ["a", "b"]),
        ([], ["a", "b"], "a", ["b", "a"]),  # both were clicked before the first was answered
        (["a", "b"], ["b"], "a", ["b"]),
        (["x", "a"], [], "a", ["x"]),  # x is not among the runs that were searched for
        (None, [], "a", []),
    ],
)
def test_a_click_tells_all_that_is_pressed(picked, pressed, run, then):
    event = SimpleNamespace(run=run, listed=["a", "b", "c"], pressed=pressed)
    handlers = Handlers(SimpleNamespace(catalogue=None, engine=None))
    assert handlers.pick(picked, event) == then


@pytest.mark.usefixtures("runs_here")
def test_a_run_that_cannot_be_repeated_is_told_of_all_the_same():
    job = TrainJob(task="text-to-sql", method="lora", steps=2, learning_rate=1e-3)
    run = create_run(job)  # without any event of its training, as where these were damaged
    run.finish(Result.of(job, "done", "").model_copy(update={"trainable": 5}))
    handlers = Handlers(SimpleNamespace(catalogue=lab_catalogue(), engine=None))
    card, *_, program = handlers.one([run.id])
    assert "LoRA" in card
    assert program == f"# The run {run.id} never began to train: there is nothing to repeat."
