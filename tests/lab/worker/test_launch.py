import time

import pytest
from safetensors.torch import load_file

from explorer.lab.job import TrainJob
from explorer.lab.runs import create_run, list_runs
from explorer.lab.worker.adapters import load_adapter
from explorer.lab.worker.train import Training
from explorer.lab.worker.view import nbytes
from tests.lab.worker.launched import launch

FSDP = ("--use_fsdp", "--fsdp_version", "2")
SHARDED = {
    "lora": {"r": 2},
    "llama-adapter-v1": {"adapter_layers": 2},
    "llama-excitor": {"adapter_layers": 2},
    "prefix-tuning": {"num_virtual_tokens": 3},
    "full": {},
}


def job(base, method="lora", knobs=None, **options):
    settings = {
        "steps": 3, "batch_size": 4, "learning_rate": 1e-2, "max_length": 400, "max_new_tokens": 2,
        "precision": "float32", "warmup_steps": 0, "watch_every": 2,
    }  # fmt: skip
    return TrainJob(
        base=base, task="order-extraction", method=method, knobs=knobs or {}, **settings | options
    )


def steps(run):
    return [event for event in run.events() if event["kind"] == "step"]


def carried_out(shelf, asked):
    run = create_run(asked)
    for _ in Training(run, shelf).go():
        pass
    return run


def demand_alike(alone, together):
    """Every number that a run tells, from one process and from two."""
    assert together.state().name == "done", together.state().reason
    assert [s["step"] for s in steps(together)] == [1, 2, 3]
    for one, two in zip(steps(alone), steps(together), strict=True):
        assert two["loss"] == pytest.approx(one["loss"], abs=1e-4)
        assert two["gradient_norm"] == pytest.approx(one["gradient_norm"], rel=1e-3)
        assert two["gates"] == pytest.approx(one["gates"], rel=1e-2, abs=1e-6)
    for name in ("heldout_loss_base", "heldout_loss_after", "neutral_loss_after"):
        assert getattr(together.result, name) == pytest.approx(
            getattr(alone.result, name), abs=1e-4
        )
    for name in ("trainable", "total", "metric_after", "quiz_after"):
        assert getattr(together.result, name) == getattr(alone.result, name)
    if together.job.batch_size > 1:  # half of it is on each process, and so are its activations
        assert together.result.peak_bytes < alone.result.peak_bytes
    # Two layers are few for what FSDP gathers of a model that trains whole.
    off = 0.16 if together.job.method == "full" else 0.05
    assert together.result.forecast["bytes"] == pytest.approx(together.result.peak_bytes, rel=off)


def test_two_processes_take_the_same_steps_as_one(runs_here, tmp_path, tiny_base, shelf):
    """They train whole models together; only the first writes, into a run of its own making."""
    asked = job(tiny_base, knobs={"r": 2}, probe=True)
    alone = carried_out(shelf, asked)
    (tmp_path / "job.json").write_text(asked.model_dump_json())
    done = launch("--multi_gpu", "-m", "explorer.lab.worker", "--job", str(tmp_path / "job.json"))
    told, complaints = done.communicate(timeout=180)
    assert done.returncode == 0, complaints[-2000:]
    (together,) = [run for run in list_runs() if run.id != alone.id]
    assert told.strip().endswith(f"{together.id} done")
    demand_alike(alone, together)


def test_two_processes_hold_shards_and_take_the_same_steps(runs_here, tiny_base, shelf, loaded):
    asked = {name: job(tiny_base, name, knobs) for name, knobs in SHARDED.items()}
    asked["one row"] = job(tiny_base, "lora", {"r": 2}, batch_size=1)  # for two processes
    alone = {name: carried_out(shelf, one) for name, one in asked.items()}
    together = {name: create_run(one) for name, one in asked.items()}
    shared = create_run(job(tiny_base, "unilora"))
    endless = create_run(job(tiny_base, steps=50_000))
    runs = [*together.values(), shared, endless]
    done = launch(*FSDP, "-m", "tests.lab.worker.launched", *(str(run.folder) for run in runs))
    wait_for(lambda: len(steps(endless)) > 1 or done.poll() is not None)
    endless.ask_to_stop()
    _, complaints = done.communicate(timeout=60)
    assert done.returncode == 0, complaints[-2000:]
    for name, run in together.items():
        demand_alike(alone[name], run)
        share = run.result.memory["base"] + run.result.memory["trainable"]
        assert share < 0.6 * nbytes(loaded.model)
        ours, theirs = (adapter(one) for one in (alone[name], run))
        assert theirs.keys() == ours.keys()
        for key, tensor in theirs.items():
            assert tensor.shape == ours[key].shape
            assert (tensor - ours[key]).abs().max() < 1e-3, key
        load_adapter(loaded, run.adapter)
        assert (run.folder / "inside.json").is_file()
    assert "layers share tensors, which FSDP cannot do" in shared.state().reason
    assert endless.state().name == "stopped"
    assert endless.adapter.is_dir()


def adapter(run):
    (path,) = run.adapter.glob("*.safetensors")
    return load_file(path)


def wait_for(condition, seconds=240.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)
