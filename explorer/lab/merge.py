"""Merge a run's adapter into its base: in a process of its own, kept in the run's folder."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from filelock import FileLock

from explorer.catalogue.errors import ExplorerError
from explorer.lab.runs import Run

MERGED, CHECK = "merged", "merge_check.json"


def merge_run(run: Run) -> dict[str, Any]:
    """The merged checkpoint's check (see explorer.lab.worker.export), made now or before.

    The checkpoint is the folder `merged` of the run. Raises ExplorerError where the method does
    not merge, or where the run has no adapter.
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


def _merge(run: Run) -> None:
    hidden = run.folder / f".{MERGED}-new"
    shutil.rmtree(hidden, ignore_errors=True)
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
