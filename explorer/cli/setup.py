"""`explorer setup`: fetch a base and make it ready, once."""

import argparse
import sys
import time
from typing import Any

from explorer.lab.bases import EMBEDDED, checkpoint
from explorer.lab.setup import set_up

HELP = "fetch the embedded base and make it ready (quick when it already is)"
BAR = 28  # characters


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--base", default=EMBEDDED, metavar="ID", help=f"default {EMBEDDED}")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Set the base up with a progress bar on stderr."""
    begun = time.monotonic()
    base = set_up(args.base, draw if sys.stderr.isatty() else note_once())
    return {
        "base": base.id,
        "name": checkpoint(base.id).name,
        "folder": str(base.folder),
        "seconds": round(time.monotonic() - begun, 2),
    }


def render(result: dict[str, Any]) -> str:
    """One line: what is ready and where."""
    return f"{result['name']} is ready in {result['folder']} ({result['seconds']:.1f} s)."


def draw(fraction: float, doing: str) -> None:
    """A bar that rewrites its own line."""
    filled = round(BAR * fraction)
    bar = "█" * filled + "░" * (BAR - filled)
    sys.stderr.write(f"\r\033[K{bar} {fraction:4.0%}  {doing}" + ("\n" if fraction >= 1 else ""))
    sys.stderr.flush()


def note_once() -> Any:
    """For logs: each stage once, no control characters."""
    told: set[str] = set()

    def progress(fraction: float, doing: str) -> None:
        if doing not in told:
            told.add(doing)
            sys.stderr.write(f"{fraction:4.0%}  {doing}\n")

    return progress
