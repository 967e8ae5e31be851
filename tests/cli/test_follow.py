import threading

from explorer.cli import _follow
from explorer.lab.job import TrainJob
from explorer.lab.runs import OWNER, Result, create_run
from tests.lab.conftest import runs_here  # noqa: F401  # fixture


class Engine:
    """Has nothing to tell; the run ends by itself."""

    def events(self, run_id, after=0):
        return []


def test_a_run_whose_worker_died_is_followed_until_it_says_why(runs_here):  # noqa: F811
    run = create_run(TrainJob(task="order-extraction", method="lora", steps=5, learning_rate=1e-3))
    (run.folder / OWNER).unlink()  # nobody answers for it any more
    assert run.state().over
    reason = "the worker was ended by SIGKILL"
    late = threading.Timer(0.5, run.finish, [Result.of(run.job, "failed", reason)])
    late.start()
    _follow.follow(Engine(), run.id)
    late.join()
    assert run.state().reason == reason


def test_a_run_that_nobody_explains_is_left_after_a_while(runs_here, monkeypatch):  # noqa: F811
    monkeypatch.setattr(_follow, "PATIENCE", 0.3)
    run = create_run(TrainJob(task="order-extraction", method="lora", steps=5, learning_rate=1e-3))
    (run.folder / OWNER).unlink()
    _follow.follow(Engine(), run.id)
    assert run.result is None
