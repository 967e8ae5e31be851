"""Where the lab keeps what it makes."""

import os
from pathlib import Path


def runs_folder() -> Path:
    """$EXPLORER_RUNS, or `runs` in the folder one works in."""
    return Path(os.environ.get("EXPLORER_RUNS", "runs")).absolute()


def cache_folder() -> Path:
    """Where converted checkpoints are kept: $EXPLORER_CACHE or a folder in the user's cache."""
    chosen = os.environ.get("EXPLORER_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "llama-peft-explorer"
