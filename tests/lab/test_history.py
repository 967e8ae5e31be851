import shutil

import pytest

from explorer.catalogue.errors import ExplorerError
from explorer.lab.history import KEYS, again, find_runs, full_record, summary
from explorer.lab.job import TrainJob
from explorer.lab.notes import write_notes
from explorer.lab.runs import Result, create_run, delete_run, find_run

pytestmark = pytest.mark.usefixtures("runs_here")


def made(method="lora", task="order-extraction", state="done", tags=(), **values):
    job = TrainJob(task=task, method=method, steps=5, learning_rate=1e-3, **values)
    run = create_run(job)
    run.finish(Result.of(job, state, ""))
    write_notes(run, f"note of {method}", tags)
    return run.id


@pytest.fixture
def three():
    return {
        "a": made("lora", tags=["First"]),
        "b": made("qlora", quantization="nf4", seed=3),
        "c": made("full", task="ship-log", state="failed", label="The line to beat"),
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "cba"),
        ("lora", "ba"),
        ("LORA done", "ba"),
        ("method:lora", "a"),
        ("tag:first", "a"),
        ("first", "a"),
        ("nf4", "b"),
        ("seed:3", "b"),
        ("state:failed", "c"),
        ("line beat", "c"),
        ("note full", "c"),
        ("lora state:failed", ""),
    ],
)
def test_runs_are_found_by_words_and_by_keys(three, query, found):
    assert [record["run"] for record in find_runs(query)] == [three[name] for name in found]


def test_a_key_that_is_none_is_refused_with_those_that_are(three):
    with pytest.raises(ExplorerError, match="no 'metod' to search for; there are tag, method"):
        list(find_runs("metod:lora"))
    for run in three.values():
        delete_run(run)
    with pytest.raises(ExplorerError, match="no 'metod' to search for"):
        list(find_runs("metod:lora"))
    with pytest.raises(ExplorerError, match="has 201 characters; at most 200"):
        list(find_runs("x" * 201))


def test_a_run_that_is_deleted_while_we_look_is_passed_over(three, monkeypatch):
    shutil.rmtree(find_run(three["b"]).folder)
    assert [record["run"] for record in find_runs()] == [three["c"], three["a"]]


def test_the_same_recipe_goes_to_the_queue_again():
    class Queue:
        def submit(self, job):
            self.job = job
            return "new"

    queue, run = Queue(), find_run(made("qlora", knobs={"r": 4}, seed=7, race="abc"))
    assert again(run, queue) == "new"
    assert queue.job == run.job.model_copy(update={"race": ""})


def test_a_full_record_tells_the_job_and_a_deleted_run_is_gone(three, runs_here):
    record = full_record(three["b"])
    assert (record["job"]["seed"], record["merge_check"]) == (3, None)
    assert record["note"] == summary(find_run(three["b"]))["note"] == "note of qlora"
    for name in three.values():
        delete_run(name)
    assert list(runs_here.iterdir()) == []


def test_a_damaged_run_is_listed_as_failed_beside_the_others(three):
    (find_run(three["b"]).folder / "job.json").write_text('{"from_another_version": 1}')
    records = list(find_runs())
    assert [record["run"] for record in records] == [three[name] for name in "cba"]
    damaged = records[1]
    assert (damaged["state"], damaged["label"]) == ("failed", "damaged run")
    assert "job.json cannot be read" in damaged["reason"]
    assert damaged.keys() == records[0].keys()
    with pytest.raises(ExplorerError, match=r"job\.json cannot be read"):
        full_record(three["b"])
    delete_run(three["b"])
    assert len(list(find_runs())) == 2


def test_a_note_that_cannot_be_read_says_so(three):
    (find_run(three["a"]).folder / "notes.json").write_text('{"no')
    assert "notes.json cannot be read" in summary(find_run(three["a"]))["note"]


def test_every_key_of_a_summary_can_be_searched_for(three):
    assert set(next(find_runs())) == set(KEYS)
