"""The history's picks: what the table says is pressed, whatever the server knew before."""

from types import SimpleNamespace

import pytest

from explorer.ui.lab.history import Handlers


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
