"""`explorer sweep`: one method over a grid of settings, hopeless runs given up."""

import argparse
from typing import Any

from explorer.catalogue.catalogue import load_catalogue
from explorer.cli._lasting import add_lasting, lasting
from explorer.cli.race import EACH, follow_all
from explorer.lab.bases import EMBEDDED, find_base
from explorer.lab.engine import Engine
from explorer.lab.race import DEFAULT_TASK
from explorer.lab.sweep import make_sweep, read_axes, setting

HELP = "train with one method over a grid of settings"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("values", metavar="VALUES", help='like "r=2|8|32; learning_rate=1e-3|2e-3"')
    parser.add_argument("--method", default="lora", metavar="ID")
    parser.add_argument("--task", default=DEFAULT_TASK, metavar="ID")
    parser.add_argument("--base", default=EMBEDDED, metavar="ID")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--all", action="store_true", help="give no run up")
    add_lasting(parser)
    for name, options in EACH.items():
        parser.add_argument(f"--{name.replace('_', '-')}", **options)
    parser.add_argument("--device", default="auto")


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """One record a run, with `settings`: what was varied."""
    given = {name: getattr(args, name) for name in ("base", "seed", *EACH)}
    chosen = lasting(args) | {name: value for name, value in given.items() if value is not None}
    axes = read_axes(args.values)
    jobs = make_sweep(load_catalogue(), args.task, args.method, axes, not args.all, **chosen)
    find_base(args.base, allow_paths=True)
    with Engine(args.device) as engine:
        records = follow_all(engine, jobs)
    return [
        record | {"settings": {name: setting(job, name) for name in axes}}
        for record, job in zip(records, jobs, strict=True)
    ]


def render(result: list[dict[str, Any]]) -> str:
    """A line a run: its settings, what it reached, or why it did not."""
    lines = []
    for record in result:
        said = ", ".join(f"{name} {value}" for name, value in record["settings"].items())
        if record["metric"] is None:
            lines.append(f"{said:<40} {record['state']}: {record['reason']}")
            continue
        low, high = record["interval"]
        lines.append(
            f"{said:<40} {record['metric']:.2f} ({low:.2f} – {high:.2f})  held-out loss "
            f"{record['heldout_loss_after']:.3f}  {record['seconds']:.0f} s"
        )
    return "\n".join(lines)
