import os
import subprocess
import sys

import pytest

from explorer.lab.job import TrainJob
from explorer.lab.runs import create_run
from explorer.lab.worker.train import Training

LAUNCH = (
    "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines",
    "1", "--mixed_precision", "no", "--dynamo_backend", "no", "-m", "explorer.lab.worker", "--run",
)  # fmt: skip


def steps(run):
    return [event for event in run.events() if event["kind"] == "step"]


def test_two_processes_take_the_same_steps_as_one(runs_here, tiny_base, shelf):
    """The launcher's processes train together over gloo; only the first writes the run's folder."""
    job = TrainJob(
        base=tiny_base, task="order-extraction", method="lora", steps=3, batch_size=4,
        learning_rate=1e-2, max_length=400, max_new_tokens=2, precision="float32",
        knobs={"r": 2}, warmup_steps=0, probe=False,
    )  # fmt: skip
    alone, together = create_run(job), create_run(job)
    for _ in Training(alone, shelf).go():
        pass
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *LAUNCH, str(together.folder)],
        env=environment, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert together.state().name == "done", done.stderr[-2000:]
    assert [s["step"] for s in steps(together)] == [1, 2, 3]
    for one, two in zip(steps(alone), steps(together), strict=True):
        assert two["loss"] == pytest.approx(one["loss"], abs=1e-4)
        assert two["gradient_norm"] == pytest.approx(one["gradient_norm"], rel=1e-4)
    assert together.result.heldout_loss_after == pytest.approx(
        alone.result.heldout_loss_after, abs=1e-4
    )
    # half of each batch is on each process, and so are its activations
    assert together.result.peak_bytes < alone.result.peak_bytes
