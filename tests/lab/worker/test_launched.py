import json

import pytest

from explorer.catalogue.errors import ExplorerError
from explorer.lab.runs import create_run
from explorer.lab.worker.launched import carry_out, read_job, waiting
from tests.lab.worker.test_launch import carried_out, job

pytestmark = pytest.mark.usefixtures("runs_here")


def test_a_written_job_is_read_again(tmp_path, tiny_base):
    (tmp_path / "job.json").write_text(job(tiny_base).model_dump_json())
    assert read_job(tmp_path / "job.json") == job(tiny_base)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "holds no job: .*No such file"),
        ("{", r"job\.json cannot be read: Expecting property name"),
        ("[]", r"job\.json cannot be read: it holds no object with keys"),
        (json.dumps({"task": "ship-log", "method": "lora", "steps": 0, "learning_rate": 1e-3}),
         r"job\.json cannot be read: steps = 0: Input should be greater than or equal to 1"),
    ],
)  # fmt: skip
def test_what_is_no_job_is_told_in_a_sentence(tmp_path, capsys, text, told):
    if text is not None:
        (tmp_path / "job.json").write_text(text)
    with pytest.raises(ExplorerError, match=told):
        read_job(tmp_path / "job.json")
    assert carry_out(None, tmp_path / "job.json") == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_run_that_is_over_is_not_carried_out_again(tmp_path, shelf, tiny_base):
    run = carried_out(shelf, job(tiny_base, steps=1, probe=False))
    with pytest.raises(ExplorerError, match=r"is over \(done\): launch its job.json with --job"):
        waiting(run.folder)
    with pytest.raises(ExplorerError, match=r"is no run: it has no job.json"):
        waiting(tmp_path)


def test_the_exit_status_tells_the_launcher_of_a_failure(tmp_path, capsys, tiny_base):
    good, bad = job(tiny_base, steps=1, probe=False), job(str(tmp_path / "nothing"))
    assert carry_out(create_run(good).folder, None) == 0
    assert carry_out(create_run(bad).folder, None) == 1
    first, second = capsys.readouterr().out.strip().splitlines()
    assert first.endswith(" done")
    assert " failed " in second
