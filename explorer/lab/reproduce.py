"""A finished run as a program that trains the same again without this project."""

import re
from pathlib import Path
from typing import Any

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.method import Method
from explorer.lab.bases import checkpoints, hub_name
from explorer.lab.datasets import task_file
from explorer.lab.runs import Run

PROGRAM = Path(__file__).parent / "worker" / "program.py"
MARKS = re.compile(r"# The values of the run go.*?# </run>\n", re.DOTALL)
VALUES = (
    "method", "task", "quantization", "double_quantization", "steps", "batch_size",
    "learning_rate", "schedule", "warmup_steps", "final_rate_fraction", "weight_decay", "clip",
    "seed", "system", "gradient_checkpointing",
)  # fmt: skip
OWN_TUNER = "import explorer.methods  # noqa: F401  # registers the tuner of {method} with peft\n"


def program(run: Run, catalogue: Catalogue) -> str:
    """The Python text. It needs the run's `train.jsonl` beside it, and transformers and peft.

    The tuners of this project (LLaMA-Adapter V1, V2, Excitor) are imported from it. Raises
    ExplorerError for a run that never began to train: there is nothing to do again.
    """
    job, result = run.job, run.result
    events = run.events()
    started = next((event for event in events if event["kind"] == "started"), None)
    if started is None:
        raise ExplorerError(f"The run {run.id} never began to train: there is nothing to repeat.")
    method = catalogue.method(job.method)
    values = {name: value for name, value in job.model_dump().items() if name in VALUES}
    values["planned"] = _planned(events) or (0, job.steps)
    values["taken"] = (result and result.steps_done) or values["planned"][1]
    known = checkpoints().get(job.base)
    cached = f"bases/{job.base}" if known and known.wheel else ""
    block = [
        _assigned("RUN", values),
        f"PEFT_TYPE = {method.peft_type!r}",
        _assigned("SETTINGS", _settings(method, job.knobs)),
        f"BASE, CACHED = {_base_name(job.base)!r}, {cached!r}",
        f"DTYPE, THREADS = {started['precision']!r}, {started['threads']}",
    ]
    if result and result.versions:
        told = ", ".join(f"{name} {version}" for name, version in sorted(result.versions.items()))
        block.insert(0, f"# The run used {told}.")
    text = PROGRAM.read_text(encoding="utf-8")
    text = MARKS.sub(lambda _: "\n".join(block) + "\n", text, count=1)
    if method.peft_type and method.origin == "explorer":
        imported = OWN_TUNER.format(method=method.name)
        text = text.replace("import peft\n", f"{imported}import peft\n", 1)
    return text.replace("  # noqa: T201", "")


def _planned(events: list[dict[str, Any]]) -> tuple[int, int] | None:
    """After which step a time that was given became a number of steps, and that number."""
    done = 0
    for event in events:
        if event["kind"] == "step":
            done = event["step"]
        if event["kind"] == "planned":
            return done, event["steps"]
    return None


def training_rows(run: Run) -> bytes:
    """The rows that the program trains on; raises DataFileError where they were deleted."""
    return task_file(run.job.task, "train").read_bytes()


def _settings(method: Method, knobs: dict[str, Any]) -> dict[str, Any]:
    """Arguments of the peft configuration."""
    if method.peft_type is None:
        return {}
    values = {name: value for name, value in method.read_knobs(knobs).items() if value is not None}
    return method.fixed | {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items()
    }


def _base_name(base: str) -> str:
    return hub_name(base) if base in checkpoints() else base


def _assigned(name: str, values: dict[str, Any]) -> str:
    lines = [f"    {key!r}: {value!r}," for key, value in values.items()]
    return "\n".join([f"{name} = {{", *lines, "}"])
