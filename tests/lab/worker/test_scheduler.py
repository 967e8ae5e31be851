import random
import time

import pytest
import torch

from explorer.lab.worker.scheduler import TALK, TRAIN, Scheduler


def busy(seconds, steps):
    for step in range(steps):
        time.sleep(seconds)
        yield step


def turns(scheduler, number):
    return [scheduler.turn() for _ in range(number)]


def test_a_task_says_what_it_yields_and_then_is_over():
    scheduler = Scheduler()
    scheduler.add("a", iter([1, None, 2]), TALK)
    said = turns(scheduler, 5)
    assert [turn and turn.told for turn in said] == [1, None, 2, None, None]
    assert [turn.over for turn in said[:4]] == [False, False, False, True]
    assert said[4] is None


def test_two_conversations_take_turns():
    scheduler = Scheduler()
    scheduler.add("a", busy(0.002, 50), TALK)
    scheduler.add("b", busy(0.002, 50), TALK)
    names = [turn.task for turn in turns(scheduler, 40)]
    assert 14 <= names.count("a") <= 26
    assert "aaaa" not in "".join(names)


def test_conversations_get_four_times_what_training_gets_and_neither_starves():
    scheduler = Scheduler()
    scheduler.add("train", busy(0.008, 1000), TRAIN)
    scheduler.add("talk", busy(0.002, 1000), TALK)
    had = {"train": 0.0, "talk": 0.0}
    for turn in turns(scheduler, 200):
        had[turn.task] += 0.008 if turn.task == "train" else 0.002
    assert 2.5 < had["talk"] / had["train"] < 6


def test_who_comes_late_is_served_soon_and_does_not_shut_out_the_others():
    scheduler = Scheduler()
    scheduler.add("train", busy(0.003, 1000), TRAIN)
    turns(scheduler, 30)
    scheduler.add("talk", busy(0.001, 1000), TALK)
    names = [turn.task for turn in turns(scheduler, 60)]
    assert "talk" in names[:2]
    assert names.count("train") >= 2


def test_a_dropped_task_is_closed_where_it_stands():
    closed = []

    def task():
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    scheduler = Scheduler()
    scheduler.add("a", task(), TALK)
    scheduler.turn()
    assert scheduler.drop("a")
    assert closed == [True]
    assert not scheduler.drop("a")
    assert scheduler.turn() is None


def test_a_task_that_raises_is_gone_and_the_others_go_on():
    def broken():
        yield 1
        raise RuntimeError("broken")

    scheduler = Scheduler()
    scheduler.add("a", broken(), TALK)
    scheduler.turn()
    scheduler.add("b", iter([7]), TRAIN)
    with pytest.raises(RuntimeError, match="broken"):
        turns(scheduler, 2)
    assert [turn and turn.told for turn in turns(scheduler, 3)] == [7, None, None] or (
        scheduler.turn() is None
    )


def test_each_task_draws_random_numbers_as_if_it_ran_alone():
    def draws(seed):
        torch.manual_seed(seed)
        random.seed(seed)
        for _ in range(5):
            yield torch.rand(()).item() + random.random()

    alone = {seed: list(draws(seed)) for seed in (1, 2)}
    scheduler = Scheduler()
    for seed in (1, 2):
        scheduler.add(str(seed), draws(seed), TALK)
    said = {"1": [], "2": []}
    while turn := scheduler.turn():
        if not turn.over:
            said[turn.task].append(turn.told)
    assert said == {str(seed): values for seed, values in alone.items()}
