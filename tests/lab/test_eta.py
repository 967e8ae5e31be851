import time

import pytest

from explorer.lab.eta import expected, waits
from explorer.lab.events import Evaluated, Step
from explorer.lab.job import TrainJob
from explorer.lab.runs import Result, create_run, list_runs

pytestmark = pytest.mark.usefixtures("runs_here")


def job(method="lora", **values):
    usual = {"task": "order-extraction", "steps": 10, "learning_rate": 1e-3}
    return TrainJob(method=method, **usual | values)


def step(number, when, left=0.0):
    return Step(
        time=when, step=number, loss=1, learning_rate=1, gradient_norm=1, tokens_per_second=1,
        eta_seconds=left, memory_bytes=1,
    )  # fmt: skip


def finished(method, seconds_a_step, asked):
    run = create_run(job(method))
    for number in (1, 2, 3):
        run.append(step(number, 100 + seconds_a_step * number))
    run.append(
        Evaluated(
            time=0, when="after", step=3, metric="m", value=1, low=0, high=1, heldout_loss=0,
            rows=1, seconds=asked,
        )
    )  # fmt: skip
    run.finish(Result.of(run.job, "done", ""))
    return run


def test_without_any_run_nothing_is_known():
    run = create_run(job())
    (wait,) = waits()
    assert (wait.run, wait.before, wait.seconds) == (run.id, 0, None)


def test_a_run_takes_what_its_method_took_here():
    finished("full", 5.0, 7.0)
    finished("lora", 2.0, 4.0)
    runs = list(list_runs())
    assert expected(job("lora"), runs) == pytest.approx(10 * 2 + 4)
    assert expected(job("full"), runs) == pytest.approx(10 * 5 + 7)
    assert expected(job("qlora"), runs) == pytest.approx(10 * 2 + 4)  # the newest one's
    assert expected(job("lora", batch_size=4), runs) is None


def test_those_before_count_and_the_running_one_goes_first():
    finished("lora", 2.0, 4.0)
    first, second = create_run(job()), create_run(job(seconds=60))
    first.own("worker")
    first.append(step(1, time.time(), left=30))
    found = waits()
    assert [(wait.run, wait.before) for wait in found] == [(first.id, 0), (second.id, 1)]
    assert [wait.seconds for wait in found] == [30, 90]
