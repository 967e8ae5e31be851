import json
import os
import subprocess
import sys
import threading

import pytest

from explorer.catalogue.errors import ExplorerError, UnknownNameError
from explorer.lab import runs
from explorer.lab.events import Ended, Loading
from explorer.lab.job import TrainJob
from explorer.lab.runs import (
    OWNER,
    RUN_ID,
    Result,
    Run,
    State,
    create_run,
    delete_run,
    delete_runs,
    find_run,
    list_runs,
    write_atomically,
)
from explorer.lab.stored import DamagedFileError

JOB = TrainJob(task="order-extraction", method="lora", steps=5, learning_rate=1e-3)

pytestmark = pytest.mark.usefixtures("runs_here")


def dead_owner(run):
    """Let the run belong to a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    owner = {"pid": process.pid, "started": 0.0, "role": "worker"}
    (run.folder / OWNER).write_text(json.dumps(owner))


def test_a_new_run_is_queued_then_running_then_done():
    run = create_run(JOB)
    assert run.state().name == "queued"
    run.own("worker")
    assert run.state().name == "running"
    run.finish(Result.of(JOB, "done", ""))
    assert run.state().name == "done"
    assert run.state().over


def test_a_run_whose_process_died_has_failed_with_its_last_words():
    run = create_run(JOB)
    dead_owner(run)
    assert run.state().name == "failed"
    assert run.state().reason == "the process that ran it ended without a word"
    run.stderr.write_text("Traceback\n\nSegmentation fault\n\n")
    assert run.state().reason == "Segmentation fault"


def test_a_process_number_that_was_given_to_another_process_is_not_the_owner():
    run = create_run(JOB)
    owner = {"pid": os.getpid(), "started": 1.0, "role": "worker"}
    (run.folder / OWNER).write_text(json.dumps(owner))
    assert run.state().name == "failed"


def test_the_first_result_stays():
    run = create_run(JOB)
    run.finish(Result.of(JOB, "stopped", "by hand"))
    run.finish(Result.of(JOB, "failed", "later"))
    assert run.state().name == "stopped"


def test_job_and_result_read_back_as_they_were_written():
    run = find_run(create_run(JOB).id)
    assert run.job == JOB
    result = Result.of(JOB, "done", "")
    result.interval, result.memory = (0.5, 0.75), {"base": 3}
    run.finish(result)
    assert run.result == result


def test_ids_sort_by_time_and_the_newest_is_listed_first():
    ids = [create_run(JOB).id for _ in range(5)]
    assert ids == sorted(ids)
    assert [run.id for run in list_runs()] == ids[::-1]
    assert all(RUN_ID.fullmatch(name) for name in ids)
    assert (find_run(ids[0]).created - find_run(ids[-1]).created).total_seconds() < 0


@pytest.mark.parametrize("name", ["../secret", "..", "", "a/b", "x" * 500, "\x00", "20251124"])
def test_only_ids_of_runs_are_looked_up(name, runs_here):
    (runs_here.parent / "secret").mkdir()
    (runs_here.parent / "secret" / "job.json").write_text(JOB.model_dump_json())
    with pytest.raises(UnknownNameError, match="There is no run"):
        find_run(name)


def test_other_things_in_the_folder_are_no_runs(runs_here):
    run = create_run(JOB)
    (runs_here / "notes.txt").write_text("")
    (runs_here / "20251124-000000-000000-00000000").mkdir()
    assert [found.id for found in list_runs()] == [run.id]


def test_events_are_read_from_a_number_on_and_never_half():
    run = create_run(JOB)
    assert run.events() == []
    run.append(Loading(time=1.0, what="the base"))
    run.append(Ended(kind="done", time=2.0))
    with (run.folder / "events.jsonl").open("a") as file:
        file.write('{"kind": "st')
    assert [event["kind"] for event in run.events()] == ["loading", "done"]
    assert [event["kind"] for event in run.events(after=1)] == ["done"]


def test_readers_see_whole_events_while_a_writer_writes():
    run = create_run(JOB)
    event = Loading(time=1.0, what="x" * 5000)

    def write():
        for _ in range(100):
            run.append(event)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        assert all(len(e["what"]) == 5000 for e in run.events())
    writer.join()
    assert len(run.events()) == 100


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "x"
    write_atomically(path, "old")
    write_atomically(path, "new")
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.glob("*x*")] == ["x"]


def test_of_several_runs_all_are_deleted_or_none(runs_here):
    over, waiting = create_run(JOB), create_run(JOB)
    over.finish(Result.of(JOB, "done", ""))
    with pytest.raises(ExplorerError, match=f"{waiting.id} is still queued"):
        delete_runs([over.id, waiting.id])
    assert over.folder.is_dir()
    waiting.finish(Result.of(JOB, "stopped", ""))
    delete_runs([over.id, waiting.id])
    assert list(runs_here.iterdir()) == []


def test_a_run_is_deleted_only_when_it_is_over(runs_here):
    run = create_run(JOB)
    with pytest.raises(ExplorerError, match="still queued: stop it first"):
        delete_run(run.id)
    run.finish(Result.of(JOB, "done", ""))
    delete_run(run.id)
    assert list(runs_here.iterdir()) == []
    with pytest.raises(UnknownNameError, match="may have been deleted"):
        delete_run(run.id)


def test_an_answer_may_hold_characters_that_end_a_line_elsewhere():
    run = create_run(JOB)
    what = "a\u2028b\x85c\u2029d\x1ce\r\nf"
    run.append(Loading(time=1.0, what=what))
    run.append(Ended(kind="done", time=2.0))
    assert [event.get("what") for event in run.events()] == [what, None]


@pytest.mark.parametrize(
    "line", [b'{"kind": "st', b"\0\0\0", b"[]", b"{}", b"\xff", b'{"kind": 3}']
)
def test_a_line_that_cannot_be_read_keeps_its_place(line):
    run = create_run(JOB)
    with (run.folder / "events.jsonl").open("wb") as file:
        file.write(b'{"kind": "loading"}\n' + line + b'\n{"kind": "done"}\n')
    assert [event["kind"] for event in run.events()] == ["loading", "damaged", "done"]
    assert run.events(after=1)[0]["reason"] == "line 2 of events.jsonl cannot be read"
    assert [event["kind"] for event in run.events(after=2)] == ["done"]


@pytest.mark.parametrize("text", ["", '{"state": "do', "[]", '{"state": "gone", "ended": 1}'])
def test_a_result_that_cannot_be_read_is_that_of_a_failed_run(text, runs_here):
    run = create_run(JOB)
    (run.folder / "result.json").write_text(text)
    assert run.state().name == "failed"
    assert f"{run.id}/result.json cannot be read: " in run.state().reason
    delete_run(run.id)
    assert list(runs_here.iterdir()) == []


@pytest.mark.parametrize("text", ["", '{"task": "sh', "[]", JOB.model_dump_json()[:-1] + ',"n":1}'])
def test_a_job_that_cannot_be_read_hides_no_other_run_and_can_be_deleted(text):
    good, run = create_run(JOB), create_run(JOB)
    (run.folder / "job.json").write_text(text)
    dead_owner(run)
    assert [found.id for found in list_runs()] == [good.id]
    with pytest.raises(DamagedFileError, match=f"{run.id}/job.json cannot be read: "):
        _ = find_run(run.id).job
    delete_run(run.id)
    with pytest.raises(UnknownNameError):
        find_run(run.id)


@pytest.mark.parametrize(
    "owner", ["", "[1]", '{"pid": -5, "started": 1, "role": "worker"}', '{"pid": "a"}']
)
def test_a_run_whose_owner_nobody_can_tell_has_failed(owner):
    run = create_run(JOB)
    (run.folder / OWNER).write_text(owner)
    assert run.state().name == "failed"


def test_of_two_who_delete_a_run_one_is_told_that_it_is_gone(monkeypatch):
    run = create_run(JOB)
    run.finish(Result.of(JOB, "done", ""))
    found = find_run(run.id)
    delete_run(run.id)
    monkeypatch.setattr(runs, "find_run", lambda name: found)
    monkeypatch.setattr(Run, "state", lambda self: State("done"))
    with pytest.raises(UnknownNameError, match="may have been deleted"):
        delete_run(run.id)


def test_a_job_that_is_gone_is_told_as_a_run_that_is_gone():
    run = create_run(JOB)
    run.finish(Result.of(JOB, "done", ""))
    delete_run(run.id)
    with pytest.raises(UnknownNameError, match="may have been deleted"):
        _ = run.job
