import itertools
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from explorer.catalogue.errors import ExplorerError
from explorer.lab.bases import BaseMissingError
from explorer.lab.engine import Engine
from explorer.lab.events import ColumnDone, Failed, SelfCheck, Token
from explorer.lab.job import TrainJob
from explorer.lab.request import CompareRequest
from explorer.lab.runs import find_run, list_runs

PATIENCE = 120  # seconds: a worker has to import torch first


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """One engine for all tests of this file; its worker starts with the first request."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORER_RUNS", str(tmp_path_factory.mktemp("runs")))
        patch.setenv("OMP_NUM_THREADS", "1")
        with Engine("cpu") as engine:
            yield engine


def job(tiny_base, **changes):
    values = {
        "base": tiny_base, "task": "order-extraction", "method": "lora", "knobs": {"r": 2},
        "steps": 3, "batch_size": 2, "learning_rate": 1e-3, "max_length": 400,
        "max_new_tokens": 2, "precision": "float32",
    }  # fmt: skip
    return TrainJob(**values | changes)


def ask(tiny_base, columns=("base",), tokens=6):
    return CompareRequest(
        columns=columns, base=tiny_base, precision="float32",
        messages=[{"role": "user", "content": "a red fox"}],
        sampling={"max_new_tokens": tokens, "temperature": 1.0},
    )  # fmt: skip


def wait(condition, what):
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"still not {what}"
        time.sleep(0.02)


def wait_over(run_id):
    wait(lambda: find_run(run_id).state().over, "over")
    return find_run(run_id).state()


def steps(engine, run_id):
    return [event for event in engine.events(run_id) if event["kind"] == "step"]


def test_runs_train_one_after_another_while_a_conversation_goes_on(engine, tiny_base):
    runs = [engine.submit(job(tiny_base, seed=seed)) for seed in (0, 1)]
    assert engine.position(runs[1]) == 1
    assert find_run(runs[1]).state().name == "queued"
    answers = list(engine.generate(ask(tiny_base)))
    assert [type(event) for event in answers][-2:] == [ColumnDone, SelfCheck]
    assert [wait_over(run).name for run in runs] == ["done", "done"]
    ended = [engine.events(run)[-1]["time"] for run in runs]
    assert ended[0] < engine.events(runs[1])[-2]["time"] < ended[1]
    assert engine.position(runs[1]) == 0
    assert find_run(runs[0]).result.metric_base == 0.0


def test_finished_runs_answer_beside_the_base(engine, tiny_base):
    run = engine.submit(job(tiny_base, learning_rate=0.1))
    wait_over(run)
    done = [e for e in engine.generate(ask(tiny_base, ("base", run))) if isinstance(e, ColumnDone)]
    assert {event.column for event in done} == {"base", run}


def test_two_conversations_stream_at_once(engine, tiny_base):
    list(engine.generate(ask(tiny_base)))  # loads the base, so that only tokens are waited for
    seen = []

    def talk(name):
        seen.extend(
            name for e in engine.generate(ask(tiny_base, tokens=60)) if isinstance(e, Token)
        )

    threads = [threading.Thread(target=talk, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    longest = max(len(list(group)) for _, group in itertools.groupby(seen))
    assert seen.count("a") > 1
    assert seen.count("b") > 1
    assert longest < 40


def test_closing_an_answer_frees_the_worker_at_once(engine, tiny_base):
    talk = engine.generate(ask(tiny_base, tokens=450))
    wait(lambda: isinstance(next(talk), Token), "talking")
    talk.close()
    begun = time.monotonic()
    list(engine.generate(ask(tiny_base, tokens=2)))
    assert time.monotonic() - begun < 5


def test_a_run_stops_within_a_step_and_a_waiting_one_leaves_the_queue(engine, tiny_base):
    runs = [engine.submit(job(tiny_base, steps=5000)) for _ in range(2)]
    wait(lambda: steps(engine, runs[0]), "training")
    engine.stop(runs[1])
    assert find_run(runs[1]).state().name == "stopped"
    assert "before it began" in find_run(runs[1]).state().reason
    engine.stop(runs[0])
    done = len(steps(engine, runs[0]))
    assert wait_over(runs[0]).name == "stopped"
    assert len(steps(engine, runs[0])) <= done + 2
    assert find_run(runs[0]).adapter.is_dir()


def test_a_killed_worker_fails_its_run_and_conversation_and_the_next_ones_work(engine, tiny_base):
    running = engine.submit(job(tiny_base, steps=5000))
    waiting = engine.submit(job(tiny_base))
    wait(lambda: steps(engine, running), "training")
    talk = engine.generate(ask(tiny_base, tokens=450))
    wait(lambda: isinstance(next(talk), Token), "talking")
    os.kill(engine._worker.process.pid, signal.SIGKILL)
    *_, last = talk
    assert isinstance(last, Failed)
    assert "SIGKILL" in last.reason
    state = wait_over(running)
    assert state.name == "failed"
    wait(lambda: find_run(running).result is not None, "written down")
    assert "SIGKILL" in find_run(running).state().reason
    assert wait_over(waiting).name == "done"


def test_a_base_that_is_not_there_is_refused_before_anything_is_written(engine):
    before = [run.id for run in list_runs()]
    with pytest.raises(BaseMissingError, match="setup --base llama-3"):
        engine.submit(job("llama-3.1-8b"))
    assert [run.id for run in list_runs()] == before


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cpu:0 ", ""])
def test_a_device_of_another_form_is_refused(device):
    with pytest.raises(ExplorerError, match=r"it takes auto, cpu, cuda or cuda:NUMBER\."):
        Engine(device)


def test_what_the_worker_cannot_answer_ends_with_an_error_sentence(engine, tiny_base):
    *_, last = engine.generate(ask(tiny_base, ("base", "20251124-000000-000000-00000000")))
    assert isinstance(last, Failed)
    assert "may have been deleted" in last.reason


def test_the_worker_leaves_when_its_engine_is_killed(tiny_base, tmp_path):
    script = f"""
import sys, time
from explorer.lab.engine import Engine
from tests.lab.test_engine import job
engine = Engine("cpu")
run = engine.submit(job({tiny_base!r}, steps=5000))
while not any(e["kind"] == "step" for e in engine.events(run)):
    time.sleep(0.05)
print(engine._worker.process.pid, run, flush=True)
time.sleep(600)
"""
    environment = os.environ | {"EXPLORER_RUNS": str(tmp_path), "OMP_NUM_THREADS": "1"}
    page = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment
    )
    pid, run = page.stdout.readline().split()
    page.kill()
    page.wait()
    page.stdout.close()
    psutil.wait_procs([p for p in psutil.process_iter() if p.pid == int(pid)], timeout=30)
    assert not psutil.pid_exists(int(pid))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORER_RUNS", str(tmp_path))
        state = find_run(run).state()
    assert (state.name, state.reason) == ("stopped", "the program that ran it was closed")


def test_closing_ends_the_worker_and_its_run(tiny_base, runs_here):
    engine = Engine("cpu")
    runs = [engine.submit(job(tiny_base, steps=5000)) for _ in range(2)]
    wait(lambda: steps(engine, runs[0]), "training")
    process = engine._worker.process
    engine.close()
    assert process.returncode == 0
    assert [find_run(run).state().name for run in runs] == ["stopped", "stopped"]
    engine.close()  # a second time is nothing


def test_the_engine_is_free_of_torch():
    script = (
        "import sys, explorer.lab.engine, explorer.lab.question, explorer.cli.train\n"
        "heavy = {'torch', 'transformers', 'peft', 'accelerate'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
