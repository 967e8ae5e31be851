import json
from pathlib import Path

import pytest

from explorer.catalogue.errors import ExplorerError
from explorer.lab.bases import folder_base
from explorer.lab.datasets import OWN_ID, find_task, task_rows
from explorer.lab.job import make_job
from explorer.lab.own_data.limits import UploadError
from explorer.lab.own_data.store import Choices, delete_own, keep, own_tasks
from explorer.lab.own_data.upload import read_upload
from tests.lab.catalogue import lab_catalogue

pytestmark = pytest.mark.usefixtures("runs_here")


@pytest.fixture
def base(tiny_base):
    return folder_base("tiny", Path(tiny_base))


def uploaded(tmp_path, records):
    path = tmp_path / "rows"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return read_upload(path, "mine.jsonl")


def test_own_rows_become_a_task_like_any_other(tmp_path, base):
    records = [{"prompt": f"say {n}", "completion": f"the {n}"} for n in range(20)]
    chosen = Choices(name="Mine", metric="exact-match", system="Be brief.", held_out=0.2)
    task = keep(uploaded(tmp_path, records), chosen, base)
    assert OWN_ID.fullmatch(task.id)
    assert find_task(task.id) == task
    assert (len(task_rows(task.id, "train")), len(task_rows(task.id, "heldout"))) == (16, 4)
    job = make_job(lab_catalogue(), task.id, "lora", steps=3)
    assert (job.task, job.system, job.steps) == (task.id, "Be brief.", 3)
    assert 64 <= task.max_length < 512


def test_conversations_and_texts_keep_their_form(tmp_path, base):
    turns = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    messages = [{"role": role, "content": text} for role, text in turns]
    records = [
        {"messages": [{"role": "system", "content": f"number {n}"}, *messages]} for n in range(9)
    ]
    rows = task_rows(keep(uploaded(tmp_path, records), Choices(), base).id, "train")
    assert [m.content for m in rows[0].history][1:] == ["a", "b"]
    texts = [{"text": f"a text, number {n}"} for n in range(9)]
    rows = task_rows(keep(uploaded(tmp_path, texts), Choices(), base).id, "train")
    assert rows[0].prompt == ""


def test_faulty_rows_are_not_kept(tmp_path, base, runs_here):
    with pytest.raises(UploadError, match="line 10: no key 'completion'"):
        keep(
            uploaded(tmp_path, [{"prompt": "a", "completion": "b"}] * 9 + [{"prompt": "a"}]),
            Choices(),
            base,
        )
    assert not (runs_here / "datasets").exists()


def test_ids_that_are_no_ids_lead_nowhere():
    for name in ("own-../../etc", "own-000000000000", "own-xyz"):
        with pytest.raises(ExplorerError, match="There is no task"):
            find_task(name)


def test_rows_that_do_not_fit_are_left_out_and_the_rest_is_trained_on(tmp_path, base):
    records = [{"prompt": f"say {n}", "completion": "x" * (40 * n)} for n in range(1, 20)]
    task = keep(uploaded(tmp_path, records), Choices(max_length=300, held_out=0.3), base)
    rows = [*task_rows(task.id, "train"), *task_rows(task.id, "heldout")]
    assert 2 < len(rows) < 19
    assert "were too long" in task.summary
    assert max(len(row.completion) for row in rows) < 300
    with pytest.raises(UploadError, match="every row is longer than the 16 tokens"):
        keep(uploaded(tmp_path, records), Choices(max_length=16), base)


def test_kept_data_is_listed_and_deleted_from_disk(tmp_path, base, runs_here):
    tasks = [
        keep(uploaded(tmp_path, [{"text": f"{n} {m}"} for m in range(9)]), Choices(), base)
        for n in range(2)
    ]
    assert {task.id for task in own_tasks()} == {task.id for task in tasks}
    delete_own(tasks[0].id)
    assert [task.id for task in own_tasks()] == [tasks[1].id]
    assert [path.name for path in (runs_here / "datasets").iterdir()] == [tasks[1].id]
    for name in (tasks[0].id, "..", "own-../x"):
        with pytest.raises(ExplorerError, match="There is no own data set"):
            delete_own(name)


def test_data_of_another_version_spoils_no_other_and_can_be_deleted(tmp_path, base, runs_here):
    records = [{"prompt": f"say {n}", "completion": f"the {n}"} for n in range(20)]
    good, bad = (keep(uploaded(tmp_path, records), Choices(), base).id for _ in range(2))
    (runs_here / "datasets" / bad / "task.json").write_text('{"name": "x", "newer": 1}')
    assert [task.id for task in own_tasks()] == [good]
    with pytest.raises(ExplorerError, match=f"{bad}/task.json cannot be read: "):
        find_task(bad)
    delete_own(bad)
    with pytest.raises(ExplorerError, match="There is no own data set"):
        delete_own(bad)
