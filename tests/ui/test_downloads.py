import io
import zipfile

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from explorer.lab.job import TrainJob
from explorer.lab.runs import Result, create_run, delete_run
from explorer.ui.downloads import download_route, download_url
from tests.lab.catalogue import lab_catalogue

JOB = TrainJob(task="order-extraction", method="lora", steps=5, learning_rate=1e-3)


@pytest.fixture
def client():
    return TestClient(Starlette(routes=[download_route(lab_catalogue())]))


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPLORER_RUNS", str(tmp_path))
    run = create_run(JOB)
    run.adapter.mkdir()
    (run.adapter / "adapter_model.safetensors").write_bytes(b"x" * 3_000_000)
    run.finish(Result.of(JOB, "done", ""))
    return run


def test_an_adapter_is_fetched_whole_under_a_telling_name(client, run):
    answer = client.get("/" + download_url(run.id, "adapter.zip"))
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content) > 3_000_000
    assert f'filename="lora-{run.id}-adapter.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.read("adapter_model.safetensors") == b"x" * 3_000_000
    metrics = client.get("/" + download_url(run.id, "metrics.csv"))
    assert metrics.text.startswith("step,loss,")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("runs/{run}/job.json", "There is no export 'job.json'"),
        ("runs/{run}/merged.zip", "has not been merged yet"),
        ("runs/nothing/adapter.zip", "There is no run 'nothing'"),
        ("runs/%2e%2e/adapter.zip", "There is no run"),
    ],
)
def test_what_is_not_there_is_told(client, run, path, sentence):
    answer = client.get("/" + path.format(run=run.id))
    assert answer.status_code == 404
    assert sentence in answer.text or path.startswith("runs/%2e")


def test_a_deleted_run_is_fetched_no_more(client, run):
    delete_run(run.id)
    assert client.get("/" + download_url(run.id, "adapter.zip")).status_code == 404


def test_what_a_damaged_run_has_not_is_told(client, run):
    (run.folder / "job.json").write_text("{")
    answer = client.get("/" + download_url(run.id, "metrics.csv"))
    assert (answer.status_code, "job.json cannot be read" in answer.text) == (404, True)
