"""`explorer bench`: measurements of this machine, each made by a module of the worker.

`bench NAME` runs `explorer.lab.worker.bench_NAME` in a process of its own, as the command line has
no torch. The module prints its result as the last line of its output, in JSON.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import explorer.lab
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.cli._table import text_table

HELP = "measure this machine: bench NAME [options] (bench methods: cost of a training step)"
PREFIX = "bench_"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The name of a measurement, then that measurement's own options."""
    known = ", ".join(measurements())
    parser.add_argument("name", help=f"what to measure: {known}")
    parser.add_argument("options", nargs=argparse.REMAINDER, help="passed on; try NAME --help")


def run(args: argparse.Namespace) -> dict[str, Any] | None:
    """Measure; progress goes to stderr as it comes."""
    if args.name not in measurements():
        raise unknown("measurement", args.name, measurements())
    if "--json" in args.options:  # after the name it is still ours
        args.options.remove("--json")
        args.json = True
    command = [sys.executable, "-m", f"explorer.lab.worker.{PREFIX}{args.name}", *args.options]
    asks_for_help = bool({"-h", "--help"} & set(args.options))
    done = subprocess.run(
        command, stdout=None if asks_for_help else subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise ExplorerError(f"The measurement {args.name!r} failed; its messages are above.")
    return None if asks_for_help else json.loads(done.stdout.splitlines()[-1])


def measurements() -> tuple[str, ...]:
    """The measurements there are, by the worker's modules."""
    folder = Path(explorer.lab.__file__).parent / "worker"
    return tuple(sorted(path.stem.removeprefix(PREFIX) for path in folder.glob(f"{PREFIX}*.py")))


def render(result: dict[str, Any]) -> str:
    """Tables as columns, the rest as one `name: value` a line."""
    plain = [f"{key}: {value}" for key, value in result.items() if not isinstance(value, dict)]
    tables = [_table(key, value) for key, value in result.items() if isinstance(value, dict)]
    return "\n".join([*plain, *tables])


def _table(title: str, rows: dict[str, Any]) -> str:
    if not all(isinstance(row, dict) for row in rows.values()):
        return f"{title}: {json.dumps(rows)}"
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    cells = [
        [name, *(str(row.get(column, "")) for column in columns)] for name, row in rows.items()
    ]
    return "\n" + text_table([title, *columns], cells)
