import argparse
from typing import ClassVar

import pytest

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.load import load_record
from explorer.catalogue.rates import RateSweep
from explorer.lab.rates import __main__ as program
from explorer.lab.rates import grid
from explorer.lab.rates.book import Book, RunFailedError
from explorer.lab.runs import OWNER, Result, create_run, list_runs
from tests.lab.conftest import runs_here  # noqa: F401  # fixture

pytestmark = pytest.mark.usefixtures("runs_here")
CATALOGUE = load_catalogue()
RATE = CATALOGUE.method("lora").lab.learning_rate
VERSIONS = {"torch": "2", "peft": "0"}


class FakeEngine:
    """Ends every run at once; rates above 2.5 times LoRA's diverge."""

    submitted: ClassVar[list] = []
    versions = VERSIONS

    def __init__(self, device):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def submit(self, job):
        run = create_run(job)
        FakeEngine.submitted.append(job)
        lost = job.learning_rate > 2.5 * RATE
        reason = "the loss became nan at step 3" if lost else ""
        result = Result.of(job, "failed" if lost else "done", reason)
        measured = {
            "diverged": lost or None,
            "versions": self.versions,
            "precision": "float32",
            "device": "cpu",
        }
        if not lost:
            measured |= {"heldout_loss_after": 1 / job.learning_rate, "metric_after": 0.5}
        run.finish(result.model_copy(update=measured))
        return run.id


@pytest.fixture
def engine(monkeypatch):
    monkeypatch.setattr(program, "Engine", FakeEngine)
    monkeypatch.setattr(FakeEngine, "submitted", [])
    return FakeEngine


def go(tmp_path, *methods, minutes=None):
    args = argparse.Namespace(
        methods=list(methods), out=tmp_path / "rates", minutes=minutes, device="cpu"
    )
    return program.sweep(CATALOGUE, args)


def test_a_sweep_is_kept_run_by_run_and_not_made_twice(tmp_path, engine, monkeypatch, capsys):
    monkeypatch.setenv("EXPLORER_RUNS", str(tmp_path / "elsewhere"))
    assert go(tmp_path, "lora") == 0
    assert len(engine.submitted) == 15  # five rates on three tasks
    job = engine.submitted[0]
    assert (job.steps, job.seed, job.heldout_rows) == (grid.STEPS, 0, grid.HELDOUT_ROWS)
    assert (job.probe, job.watch_every) == (False, None)
    assert f"lora                 now {RATE:g}, best {RATE:g}" in capsys.readouterr().out

    runs = Book(tmp_path / "rates", CATALOGUE).of("lora")
    assert {run.learning_rate for run in runs if run.diverged} == {
        grid.rounded(3 * RATE), grid.rounded(10 * RATE)
    }  # fmt: skip
    assert {run.centre for run in runs} == {RATE}
    head = load_record(tmp_path / "rates" / "about.toml", RateSweep)
    assert (head.versions, head.batch_size) == (VERSIONS, grid.ROWS_A_STEP)
    assert list(list_runs()) == []  # numbers were kept, no run folders

    assert go(tmp_path, "lora") == 0
    assert len(engine.submitted) == 15


def test_a_sweep_that_was_cut_short_goes_on(tmp_path, engine, monkeypatch):
    monkeypatch.setenv("EXPLORER_RUNS", str(tmp_path / "elsewhere"))
    times = iter([0.0, *[1.0] * 4, *[1e9] * 9])
    monkeypatch.setattr(program.time, "monotonic", lambda: next(times))
    assert go(tmp_path, "lora", minutes=1) == program.UNFINISHED
    monkeypatch.undo()
    assert len(Book(tmp_path / "rates", CATALOGUE).runs) == 4


def test_a_worker_that_dies_ends_that_methods_sweep_and_no_other(tmp_path, engine, monkeypatch):
    monkeypatch.setenv("EXPLORER_RUNS", str(tmp_path / "elsewhere"))

    def dies(self, job):
        run = create_run(job)
        (run.folder / OWNER).unlink()
        return run.id

    whole = FakeEngine.submit
    monkeypatch.setattr(
        FakeEngine, "submit", lambda self, job: (dies if job.method == "ia3" else whole)(self, job)
    )
    assert go(tmp_path, "ia3", "vera") == 0
    assert {run.method for run in Book(tmp_path / "rates", CATALOGUE).runs} == {"vera"}


def test_runs_of_other_versions_are_not_mixed_in(tmp_path, engine, monkeypatch):
    monkeypatch.setenv("EXPLORER_RUNS", str(tmp_path / "elsewhere"))
    assert go(tmp_path, "ia3") == 0
    monkeypatch.setattr(FakeEngine, "versions", {"torch": "3", "peft": "0"})
    with pytest.raises(ExplorerError, match=r"about\.toml: the runs beside it have versions"):
        go(tmp_path, "lora")


def test_a_run_that_failed_for_another_reason_is_no_result(tmp_path):
    job = program.rate_job(CATALOGUE, CATALOGUE.method("lora"), "word-orders", 0.002)
    book = Book(tmp_path, CATALOGUE)
    with pytest.raises(RunFailedError, match=r"lora at 0\.002: out of memory"):
        book.add(job, 0.002, Result.of(job, "failed", "out of memory"))
    assert book.runs == []
