"""Where the lab keeps what it makes."""

import os
import shutil
from pathlib import Path


def runs_folder() -> Path:
    """$EXPLORER_RUNS, or `runs` in the folder one works in."""
    return Path(os.environ.get("EXPLORER_RUNS", "runs")).absolute()


def cache_folder() -> Path:
    """Where converted checkpoints are kept: $EXPLORER_CACHE or a folder in the user's cache."""
    chosen = os.environ.get("EXPLORER_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "llama-peft-explorer"


def made_at(path: Path) -> float:
    """When a file was written, or something in a folder made or removed; 0 for what is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def remove(folder: Path) -> bool:
    """Out of sight in one step, so that nobody finds half of it, then gone.

    False where it is not there, as when someone else was faster.
    """
    hidden = folder.with_name(f".{folder.name}-deleted")
    try:
        folder.rename(hidden)
    except FileNotFoundError:
        return False
    shutil.rmtree(hidden)
    return True
