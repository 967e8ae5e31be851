import pytest

from explorer.lab.job import TrainJob
from explorer.lab.worker import pace
from explorer.lab.worker.pace import FIRST, Pace, Plateau, behind


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test turns."""
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    return now


def job(**values):
    return TrainJob(**{"task": "-", "method": "lora", "steps": 500, "learning_rate": 1e-3} | values)


def decided(clock, asked, reserved, gaps):
    steady, told = Pace(asked, reserved), []
    for gap in gaps:
        clock[0] += gap
        told.append(steady.stepped())
    return steady, told


def test_the_steps_fill_the_time_that_training_has(clock):
    """60 s less 10 s for questions; four steps took 5 + 3 · 2 s; 39 s more are 19 steps of 2 s."""
    steady, told = decided(clock, job(seconds=60), 10, [5, 2, 2, 2, 2])
    assert told == [None, None, None, FIRST + 19, None]
    assert steady.seconds_per_step == 2


def test_steps_are_the_most_and_a_few_the_least(clock):
    assert decided(clock, job(seconds=60, steps=12), 0, [1, 1, 1, 1])[1][-1] == 12
    assert decided(clock, job(seconds=5), 30, [1, 1, 1, 1])[1][-1] == FIRST


def test_without_a_time_nothing_is_decided(clock):
    steady, told = decided(clock, job(), 0, [1] * 6)
    assert told == [None] * 6
    assert not steady.late


def test_a_run_is_late_when_it_overruns_its_time_by_a_quarter(clock):
    steady, _ = decided(clock, job(seconds=60), 10, [1, 1, 1, 1])
    clock[0] = 100 + 64
    assert not steady.late
    clock[0] = 100 + 66
    assert steady.late


def test_a_plateau_is_patience_looks_without_progress():
    plateau = Plateau(2)
    assert [plateau.over(loss) for loss in (3.0, 2.0, 1.99, 1.5, 1.5, 1.6)] == [False] * 5 + [True]
    assert plateau.best == 1.5
    assert not any(Plateau(None).over(1.0) for _ in range(9))


def test_a_run_is_behind_when_its_best_is_worse_than_the_median_mean():
    good, fair, poor = [2.0, 1.0, 0.2], [2.0, 1.5, 1.0], [2.0, 2.0, 2.0]
    assert behind([3.0, 2.5], [good, fair, poor]) == pytest.approx(1.75)
    assert behind([3.0, 1.7], [good, fair, poor]) is None


def test_rivals_that_have_not_come_as_far_decide_nothing():
    assert behind([3.0, 2.9, 2.8], [[1.0, 0.5], [1.0, 0.5]]) is None
    assert behind([3.0], [[1.0]]) is None
