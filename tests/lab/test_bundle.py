import csv
import io
import json
import zipfile

import pytest

from explorer.catalogue.errors import ExplorerError
from explorer.lab.bundle import export_name, write_export
from explorer.lab.events import Evaluated, Started, Step
from explorer.lab.job import TrainJob
from explorer.lab.notes import write_notes
from explorer.lab.runs import Result, create_run
from tests.lab.catalogue import lab_catalogue

pytestmark = pytest.mark.usefixtures("runs_here")
JOB = TrainJob(task="order-extraction", method="lora", steps=2, learning_rate=1e-3, knobs={"r": 4})
RATES = {"learning_rate": 0.1, "gradient_norm": 2.0, "tokens_per_second": 9.0, "eta_seconds": 0.0}


@pytest.fixture
def run():
    """A run as the worker leaves one."""
    run = create_run(JOB)
    run.append(
        Started(
            time=1.0, trainable=1, total=2, device="cpu", precision="float32", threads=1, rows=4,
            longest_row=9,
        )
    )  # fmt: skip
    for step in (1, 2):
        run.append(Step(time=2.0, step=step, loss=3.0 / step, memory_bytes=7, **RATES))
    run.append(
        Evaluated(
            time=3.0, when="after", step=2, metric="exact-match", value=0.5, low=0.2, high=0.8,
            heldout_loss=1.25, rows=4, seconds=1.0,
        )
    )  # fmt: skip
    run.adapter.mkdir()
    (run.adapter / "adapter_config.json").write_text("{}")
    (run.adapter / "adapter_model.safetensors").write_bytes(b"weights" * 1000)
    write_notes(run, "good", ["kept"])
    run.finish(Result.of(JOB, "done", ""))
    return run


def exported(run, kind):
    out = io.BytesIO()
    write_export(run, kind, lab_catalogue(), out)
    return out.getvalue()


def unpacked(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_adapter_is_a_plain_peft_folder(run):
    assert unpacked(exported(run, "adapter.zip")) == {
        "adapter_config.json": b"{}",
        "adapter_model.safetensors": b"weights" * 1000,
    }
    assert export_name(run, "adapter.zip") == f"lora-{run.id}-adapter.zip"


def test_metrics_are_a_row_a_step(run):
    rows = list(csv.DictReader(io.StringIO(exported(run, "metrics.csv").decode())))
    assert [(row["step"], row["loss"], row["heldout_loss"]) for row in rows] == [
        ("1", "3.0", ""),
        ("2", "1.5", "1.25"),
    ]
    assert (rows[1]["metric"], rows[1]["value"]) == ("exact-match", "0.5")


def test_the_bundle_holds_everything_of_the_run_and_nothing_of_this_machine(run):
    (run.folder / "owner.json").write_text('{"pid": 1}')
    files = unpacked(exported(run, "bundle.zip"))
    assert set(files) == {
        "README.txt", "job.json", "result.json", "events.jsonl", "notes.json", "metrics.csv",
        "adapter/adapter_config.json", "adapter/adapter_model.safetensors", "reproduce.py",
        "train.jsonl",
    }  # fmt: skip
    assert json.loads(files["job.json"])["knobs"] == {"r": 4}
    assert files["train.jsonl"].count(b"\n") > 100
    compile(files["reproduce.py"], "reproduce.py", "exec")
    assert unpacked(exported(run, "program.zip")).keys() == {"reproduce.py", "train.jsonl"}
    assert exported(run, "bundle.zip") == exported(run, "bundle.zip")


def test_what_a_run_does_not_have_is_told(run):
    with pytest.raises(ExplorerError, match="has not been merged yet"):
        exported(run, "merged.zip")
    with pytest.raises(ExplorerError, match=r"Did you mean 'adapter\.zip'"):
        exported(run, "adapter")
    waiting = create_run(JOB)
    with pytest.raises(ExplorerError, match="is still queued"):
        exported(waiting, "adapter.zip")
    waiting.finish(Result.of(JOB, "failed", "no base"))
    with pytest.raises(ExplorerError, match=r"failed before it had an adapter \(no base\)"):
        exported(waiting, "adapter.zip")
    assert b"never began to train" in unpacked(exported(waiting, "bundle.zip"))["reproduce.txt"]
