"""Merge a run's adapter into its base: in a process of its own, kept in the run's folder."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from filelock import FileLock

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.lab.bases import find_base
from explorer.lab.derived import MERGED, make_room, merged_bytes
from explorer.lab.job import TrainJob
from explorer.lab.runs import Run

CHECK = "merge_check.json"


class MergeError(ExplorerError):
    """An adapter that cannot become part of its base's weights."""


def merge_run(run: Run) -> dict[str, Any]:
    """The merged checkpoint's check (see explorer.lab.worker.export), made now or before.

    The checkpoint is the folder `merged` of the run. The oldest of other derived checkpoints make
    room for it (see explorer.lab.derived). Raises ExplorerError where the method does not merge,
    where the run has no adapter, or where there is no room.
    """
    run.demand_adapter()
    with FileLock(run.folder / ".merging.lock"):
        if not (run.folder / MERGED / CHECK).is_file():
            _merge(run)
    return merge_check(run) or {}


def merge_check(run: Run) -> dict[str, Any] | None:
    """What the check of an earlier merge found, or None."""
    path = run.folder / MERGED / CHECK
    return json.loads(path.read_bytes()) if path.is_file() else None


def demand_mergeable(job: TrainJob) -> None:
    """Raise MergeError with the reason where the run's method or base cannot be merged."""
    methods = load_catalogue().methods
    method = load_catalogue().method(job.method)
    if method.recipe:  # the same tuner without a quantized base
        alike = (m for m in methods.values() if m.peft_type == method.peft_type and not m.recipe)
        method = next(alike, method)
    can = method.capability
    if method.peft_type is not None and not (can and can.merges):
        why = can.why.get("merges", "") if can else ""
        raise MergeError(f"{method.name} does not merge. {why}".strip())
    stored = find_base(job.base, allow_paths=True).quantization
    if stored != "none":
        raise MergeError(
            f"{job.base} is stored in {stored}: merged into such weights, the adapter would be "
            "rounded. Merge it into the 16-bit checkpoint that they were made from."
        )


def _merge(run: Run) -> None:
    demand_mergeable(run.job)
    hidden = run.folder / f".{MERGED}-new"
    shutil.rmtree(hidden, ignore_errors=True)
    needed = merged_bytes(find_base(run.job.base, allow_paths=True))
    make_room(needed, "A merged checkpoint", run.folder)
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "explorer.lab.worker.export", str(run.folder), str(hidden)]
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        shutil.rmtree(hidden, ignore_errors=True)
        said = done.stderr.strip().splitlines()
        raise ExplorerError(said[-1] if said else "The merge was ended for want of memory.")
    (hidden / CHECK).write_text(done.stdout, encoding="utf-8")
    shutil.rmtree(run.folder / MERGED, ignore_errors=True)
    hidden.rename(run.folder / MERGED)
