import pytest

from explorer import cli
from explorer.lab.job import TrainJob
from explorer.lab.runs import Result, create_run, list_runs
from tests.cli.asking import refused, run_json
from tests.lab.conftest import runs_here, tiny_base  # noqa: F401  # fixtures

pytestmark = pytest.mark.usefixtures("runs_here")
TRAIN = ["train", "--task", "order-extraction", "--method", "lora"]


def finished(state="done", **measured):
    job = TrainJob(task="order-extraction", method="lora", steps=5, learning_rate=1e-3)
    run = create_run(job)
    run.finish(Result.of(job, state, "").model_copy(update=measured))
    return run.id


def test_train_then_compare_then_list(capsys, monkeypatch, tiny_base):  # noqa: F811
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    options = ["--base", tiny_base, "--steps", "2", "--batch-size", "2", "--max-length", "400"]
    trained = run_json(capsys, *TRAIN, "--method", "qlora", *options, "--set", "r=2", "--seed", "5")
    assert [record["method"] for record in trained] == ["lora", "qlora"]
    assert {record["state"] for record in trained} == {"done"}
    assert [record["quantization"] for record in trained] == ["none", "nf4"]
    assert {record["seed"] for record in trained} == {5}
    assert all(record["metric_base"] is not None for record in trained)

    ids = [record["run"] for record in trained]
    words = ["--run", ids[0], "--run", ids[1], "--prompt", "hello", "--max-new-tokens", "3"]
    compared = run_json(capsys, "compare", *words)
    columns = {column["column"]: column for column in compared["columns"]}
    assert list(columns) == ["base", *ids]
    assert columns["base"]["self_check"]["passed"]
    assert compared["messages"][0]["content"] == "Write the order as one line."
    assert all(len(column["token_ids"]) == column["tokens"] for column in columns.values())

    assert [record["run"] for record in run_json(capsys, "runs")] == ids[::-1]
    assert cli.run(["runs"]) == 0
    assert "exact-match 0.00 → " in capsys.readouterr().out


def test_a_job_is_written_for_a_launcher(capsys, tmp_path, tiny_base):  # noqa: F811
    path = tmp_path / "job.json"
    options = ["--base", tiny_base, "--steps", "7", "--set", "r=2"]
    assert run_json(capsys, *TRAIN, *options, "--write-job", str(path)) == [{"job": str(path)}]
    written = TrainJob.model_validate_json(path.read_bytes())
    assert (written.base, written.method, written.steps) == (tiny_base, "lora", 7)
    assert written.knobs["r"] == 2
    assert not list(list_runs())  # nothing was trained
    assert cli.run([*TRAIN, *options, "--write-job", str(path)]) == 0
    assert "accelerate launch" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "--task", "order-extractoin", "--method", "lora"], "mean 'order-extraction'"),
        (["train", "--task", "order-extraction", "--method", "lorra"], "mean 'lora'"),
        ([*TRAIN, "--base", "smollm2-135m-instrct"], "mean 'smollm2-135m-instruct'"),
        ([*TRAIN, "--base", "llama-3.1-8b"], "setup --base llama-3.1-8b"),
        ([*TRAIN, "--base", "./nowhere"], "There is no folder './nowhere'"),
        ([*TRAIN, "--method", "ia3", "--write-job", "job.json"], "--method names 2"),
        ([*TRAIN, "--write-job", "/nowhere/job.json"], "/nowhere/job.json: No such file"),
        ([*TRAIN, "--set", "r=0"], "r = 0: it takes a whole number"),
        ([*TRAIN, "--set", "rank=4"], "There is no knob 'rank'"),
        ([*TRAIN, "--set", "r"], "write it as KNOB=VALUE"),
        ([*TRAIN, "--set", "target_modules=q_prjo"], "q_proj"),
        ([*TRAIN, "--held-out", "0.2"], "--held-out is for --data: the task order-extraction has"),
        ([*TRAIN, "--metric", "rouge-l"], "--metric is for --data"),
        ([*TRAIN, "--steps", "0"], "steps = 0: it takes a whole number of at least 1"),
        ([*TRAIN, "--learning-rate", "nan"], "learning_rate = nan"),
        ([*TRAIN, "--quant", "int3"], "quantization = 'int3': it takes one of none, int8, nf4"),
        ([*TRAIN, "--method", "full", "--quant", "nf4"], "does not train on a quantized base"),
        (["compare", "--prompt", "x", "--run", "../../etc"], "There is no run"),
        (["compare", "--prompt", " "], "the prompt is empty"),
        (["runs", "20251124-000000-000000-00000000"], "There is no run"),
        (["setup", "--base", "smolm2-135m-instruct"], "mean 'smollm2-135m-instruct'"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(capsys, runs_here, words, sentence):  # noqa: F811
    assert sentence in refused(capsys, *words)
    assert not runs_here.exists()


def test_a_missing_embedded_base_is_told_before_anything_starts(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path))
    assert "run `python -m explorer setup`" in refused(capsys, *TRAIN)


def test_a_run_is_told_in_full_and_deleted(capsys, runs_here):  # noqa: F811
    name = finished(metric="exact-match", metric_base=0.0, metric_after=0.5)
    found = run_json(capsys, "runs", name)
    assert (found["state"], found["metric_after"], found["job"]["steps"]) == ("done", 0.5, 5)
    assert run_json(capsys, "runs", name, "--delete") == {"run": name, "deleted": True}
    assert list(runs_here.iterdir()) == []


def test_without_runs_the_list_says_how_to_make_one(capsys):
    assert cli.run(["runs"]) == 0
    assert "makes one" in capsys.readouterr().out
    assert run_json(capsys, "runs") == []


def test_a_race_prints_one_record_a_method(capsys, monkeypatch, tiny_base):  # noqa: F811
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    options = ["--base", tiny_base, "--steps", "2", "--batch-size", "2", "--max-length", "400"]
    records = run_json(capsys, "race", *options, "--set", "lora.r=4")
    assert [record["method"] for record in records] == [
        "llama-adapter-v1", "llama-adapter-v2", "llama-excitor", "lora", "qlora", "full",
    ]  # fmt: skip
    for record in records:
        assert record["state"] == "done", record["reason"]
        assert record["trainable"] == record["forecast_trainable"]
        assert record["peak_bytes"] > 0
        assert record["forecast_bytes"] > 0
        for name in ("metric", "metric_base", "forgetting", "seconds"):
            assert isinstance(record[name], float), name


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--task", "order"], "There is no task 'order'"),
        (["--set", "r=4"], "write it as METHOD.KNOB=VALUE"),
        (["--set", "lora.rank=4"], "There is no knob 'rank'"),
        (["--set", "lora.learning_rate=nan"], "learning_rate = 'nan': it takes a number"),
        (["--method", "lora", "--set", "ia3.r=4"], "no method in this race called 'ia3'"),
        (["--method", "lorra"], "Did you mean 'lora'?"),
        (["--base", "nowhere-at-all"], "There is no base 'nowhere-at-all'"),
    ],
)
def test_a_race_with_bad_input_is_refused(capsys, runs_here, words, sentence):  # noqa: F811
    assert sentence in refused(capsys, "race", *words)
    assert not runs_here.exists()
