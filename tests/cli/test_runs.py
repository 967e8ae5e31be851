"""`explorer runs` and `explorer train --data`: own rows, notes, exports, the same again."""

import json
import zipfile

import pytest

from explorer import cli
from explorer.lab.job import TrainJob
from explorer.lab.runs import Result, create_run
from tests.cli.asking import refused, run_json
from tests.lab.conftest import runs_here, tiny_base  # noqa: F401  # fixtures

pytestmark = pytest.mark.usefixtures("runs_here")
ROWS = [{"instruction": f"say {n}", "output": f"the {n}"} for n in range(12)]


def finished(method="lora"):
    job = TrainJob(task="order-extraction", method=method, steps=5, learning_rate=1e-3)
    run = create_run(job)
    run.finish(Result.of(job, "done", ""))
    return run.id


def test_own_rows_are_trained_on_exported_merged_and_trained_on_again(
    capsys, monkeypatch, tmp_path, tiny_base  # noqa: F811
):  # fmt: skip
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    words = ["--method", "lora", "--base", tiny_base, "--steps", "2", "--batch-size", "2"]
    (record,) = run_json(capsys, "train", "--data", str(path), "--metric", "exact-match", *words)
    assert (record["state"], record["metric"]) == ("done", "exact-match")
    assert record["task"].startswith("own-")
    (kept,) = run_json(capsys, "train", "--task", record["task"], *words)
    assert kept["final_loss"] == pytest.approx(record["final_loss"], abs=1e-5)

    again = run_json(capsys, "runs", record["run"], "--again")
    assert again["run"] != record["run"]
    assert again["final_loss"] == pytest.approx(record["final_loss"], abs=1e-5)

    merged = run_json(capsys, "runs", record["run"], "--merge")
    assert merged["passed"]
    for kind in ("adapter.zip", "bundle.zip", "program.zip", "metrics.csv", "merged.zip"):
        out = str(tmp_path / kind)
        found = run_json(capsys, "runs", record["run"], "--export", kind, "--out", out)
        assert found["bytes"] == (tmp_path / kind).stat().st_size > 0
    with zipfile.ZipFile(tmp_path / "adapter.zip") as archive:
        assert {"adapter_config.json", "adapter_model.safetensors"} <= set(archive.namelist())


def test_runs_are_noted_found_and_deleted(capsys, runs_here):  # noqa: F811
    first, second = finished("lora"), finished("full")
    noted = run_json(capsys, "runs", first, "--note", "keep", "--tags", "good,first")
    assert (noted["note"], noted["tags"]) == ("keep", ["good", "first"])
    assert run_json(capsys, "runs", first, "--note", "")["tags"] == ["good", "first"]
    assert [r["run"] for r in run_json(capsys, "runs", "--find", "tag:good")] == [first]
    assert [r["run"] for r in run_json(capsys, "runs")] == [second, first]
    assert cli.run(["runs"]) == 0
    assert "#good" in capsys.readouterr().out
    for name in (first, second):
        run_json(capsys, "runs", name, "--delete")
    assert list(runs_here.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--find", "metod:lora"], "There is no 'metod' to search for"),
        (["--delete"], "--delete needs the id of a run"),
        (
            ["RUN", "--export", "adapter"],
            "There is no export 'adapter'. Did you mean 'adapter.zip'",
        ),
        (["RUN", "--export", "adapter.zip"], "done before it had an adapter"),
        (["RUN", "--export", "metrics.csv", "--out", "/nowhere/x"], "/nowhere/x cannot be written"),
        (["RUN", "--merge"], "done before it had an adapter"),
        (["RUN", "--tags", "two words"], "is no tag"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(capsys, monkeypatch, tmp_path, words, sentence):
    monkeypatch.chdir(tmp_path)
    name = finished()
    assert sentence in refused(capsys, "runs", *[name if w == "RUN" else w for w in words])
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.jsonl", None, "There is no file"),
        ("a.jsonl", "", "a.jsonl is empty"),
        ("a.jsonl", '{"text": "a"}\n', "has one row; at least 8 are needed"),
        ("a.jsonl", '{"text": "a"}\n' * 9 + "{", "a.jsonl, line 10: not JSON"),
        ("a.jsonl", json.dumps({"text": "a" * 9000}) + "\n", "has one row"),
        ("a.jsonl", "".join(f'{{"text": "{"a" * 900}{n}"}}\n' for n in range(9)), "every row is"),
        ("a.csv", "x,y\n1,2\n", "none of the known forms"),
        ("a.zip", "PK", "has .zip; data comes as"),
    ],
)
def test_data_that_cannot_be_trained_on_is_one_sentence(  # noqa: PLR0913  # fixtures
    capsys, tmp_path, runs_here, tiny_base, name, content, sentence  # noqa: F811
):  # fmt: skip
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    words = ["train", "--data", str(path), "--method", "lora", "--base", tiny_base]
    assert sentence in refused(capsys, *words)
    assert not runs_here.exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--metric", "blue"], "metric = 'blue': it takes one of exact-match"),
        (["--held-out", "2"], "held out = 2.0: it takes a share from 0.01 to 0.9"),
        (["--max-length", "9999"], "longest row = 9999"),
    ],
)
def test_choices_for_own_data_are_checked(capsys, tmp_path, tiny_base, words, sentence):  # noqa: F811
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    data = ["train", "--data", str(path), "--method", "lora", "--base", tiny_base]
    assert sentence in refused(capsys, *data, *words)
