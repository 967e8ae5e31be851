"""`explorer race`: methods on equal terms, forecast beside measurement."""

import argparse
from collections.abc import Sequence
from typing import Any

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.cli._follow import follow
from explorer.cli._lasting import add_lasting, lasting
from explorer.lab.bases import EMBEDDED, find_base
from explorer.lab.engine import Engine
from explorer.lab.job import TrainJob
from explorer.lab.race import DEFAULT_TASK, make_race, race_record
from explorer.lab.runs import find_run

# Settings that hold for every run of a race or a sweep.
EACH: dict[str, dict[str, Any]] = {
    "batch_size": {"type": int},
    "precision": {"metavar": "auto|float32|bfloat16"},
    "max_length": {"type": int, "metavar": "TOKENS"},
}

HELP = "race the survey's methods and full fine-tuning on one task, on equal terms"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options; without any, the default race."""
    parser.add_argument("--task", default=DEFAULT_TASK, metavar="ID")
    parser.add_argument("--base", default=EMBEDDED, metavar="ID")
    parser.add_argument("--method", action="append", default=[], metavar="ID")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="METHOD.KNOB=VALUE",
        help="like lora.r=16, or lora.learning_rate=0.001",
    )
    parser.add_argument("--learning-rate", type=float, help="one for all, not each method's own")
    parser.add_argument("--seed", type=int, action="append", help="several for intervals")
    for name, options in EACH.items():
        parser.add_argument(f"--{name.replace('_', '-')}", **options)
    add_lasting(parser)
    parser.add_argument("--device", default="auto")


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """One record a run, in the order in which they went."""
    given = {name: getattr(args, name) for name in ("base", "learning_rate", *EACH)}
    asked = {name: value for name, value in given.items() if value is not None}
    settings = lasting(args) | asked
    seeds, knobs = args.seed or [0], knobs_from(args.set)
    jobs = make_race(load_catalogue(), args.task, args.method, seeds, knobs, **settings)
    find_base(args.base, allow_paths=True)
    with Engine(args.device) as engine:
        return follow_all(engine, jobs)


def follow_all(engine: Engine, jobs: Sequence[TrainJob]) -> list[dict[str, Any]]:
    """Queue the jobs, tell on stderr how they go, return the race's record of each."""
    ids = [engine.submit(job) for job in jobs]
    for run_id in ids:
        follow(engine, run_id)
    return [race_record(find_run(run_id)) for run_id in ids]


def knobs_from(settings: list[str]) -> dict[str, dict[str, str]]:
    """`["lora.r=8", …]` as knobs by method; raises ExplorerError for another form."""
    knobs: dict[str, dict[str, str]] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        method, dot, knob = name.partition(".")
        if not (equals and dot and method and knob):
            raise ExplorerError(f"--set {setting}: write it as METHOD.KNOB=VALUE, like lora.r=16.")
        knobs.setdefault(method, {})[knob] = value
    return knobs


def render(result: list[dict[str, Any]]) -> str:
    """The table."""
    lines = [
        f"{'method':<18} {'trainable':>12} {'base':>5} {'tuned':>5}  {'interval':<12} "
        f"{'forgets':>8} {'seconds':>8} {'peak MiB':>9} {'forecast':>9}"
    ]
    for r in result:
        if r["metric"] is None:
            lines.append(f"{r['method']:<18} {r['state']}: {r['reason']}")
            continue
        low, high = r["interval"]
        error = "–" if r["forecast_error"] is None else f"{100 * r['forecast_error']:+.1f} %"
        lines.append(
            f"{r['method']:<18} {r['trainable']:>12,} {r['metric_base']:>5.2f} {r['metric']:>5.2f}"
            f"  {low:.2f} – {high:.2f}  {r['forgetting']:>+8.3f} {r['seconds']:>8.0f} "
            f"{r['peak_bytes'] / 2**20:>9.0f} {error:>9}"
        )
    return "\n".join(lines)
