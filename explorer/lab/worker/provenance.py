"""What a result depends on beside its job: package versions and the state of the source tree."""

import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "safetensors")


@cache
def provenance() -> dict[str, Any]:
    """Values of `versions`, `commit` and `dirty` for a result; None where there is no git."""
    versions = {name: version(name) for name in PACKAGES} | {"python": platform.python_version()}
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--untracked-files=no") if commit else None
    return {
        "versions": versions,
        "commit": commit,
        "dirty": None if changes is None else bool(changes),
    }


def _git(*words: str) -> str | None:
    root = Path(__file__).resolve().parents[3]
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None  # no git, or a copy without history: the result says nothing about it
    return done.stdout.strip()
