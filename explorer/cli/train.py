"""`explorer train`: fine-tune a base on a task with one method after another."""

import argparse
import sys
import time
from typing import Any

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.cli.runs import scores, summary
from explorer.lab.bases import EMBEDDED, find_base
from explorer.lab.engine import Engine
from explorer.lab.job import TrainJob, make_job
from explorer.lab.runs import find_run

HELP = "fine-tune a base on a task; each --method is one run"
POLL = 0.2  # seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options. What is not given comes from the task and from the method."""
    parser.add_argument("--base", default=EMBEDDED, metavar="ID", help="a base or a local folder")
    parser.add_argument("--task", required=True, metavar="ID")
    parser.add_argument("--method", required=True, action="append", metavar="ID")
    parser.add_argument("--set", action="append", default=[], metavar="KNOB=VALUE")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quant", dest="quantization", metavar="none|int8|nf4")
    parser.add_argument("--precision", metavar="auto|float32|bfloat16")
    parser.add_argument("--max-length", type=int, metavar="TOKENS", help="of prompt and answer")
    parser.add_argument("--evaluate-every", type=int, metavar="STEPS")
    parser.add_argument("--gradient-checkpointing", action="store_const", const=True)
    parser.add_argument("--device", default="auto", help="cpu, cuda:0, …; default: what is there")


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Check every job before the first one begins, then train one after another."""
    jobs = jobs_from(args)
    find_base(args.base, allow_paths=True)
    with Engine(args.device) as engine:
        records = train_all(engine, jobs)
    if all(record["state"] == "failed" for record in records):
        raise ExplorerError(records[0]["reason"])
    return records


def render(result: list[dict[str, Any]]) -> str:
    """A line a run."""
    return "\n".join(
        f"{r['run']}  {r['method']:<18} {r['state']:<8} {scores(r)}"
        + (f"  {r['seconds']:.0f} s  {r['trainable']:,} trained" if r["seconds"] else "")
        for r in result
    )


def jobs_from(args: argparse.Namespace) -> list[TrainJob]:
    """The jobs that the options describe."""
    catalogue = load_catalogue()
    names = ("base", "steps", "batch_size", "learning_rate", "seed", "quantization", "precision",
             "gradient_checkpointing", "max_length", "evaluate_every")  # fmt: skip
    given = {name: getattr(args, name) for name in names}
    knobs = knobs_from(args.set)
    return [make_job(catalogue, args.task, method, knobs, **given) for method in args.method]


def knobs_from(settings: list[str]) -> dict[str, str]:
    """`["r=8", …]` as knobs; raises ExplorerError for one without `=`."""
    for setting in settings:
        if "=" not in setting:
            raise ExplorerError(f"--set {setting}: write it as KNOB=VALUE, like --set r=16.")
    return dict(setting.split("=", 1) for setting in settings)


def train_all(engine: Engine, jobs: list[TrainJob]) -> list[dict[str, Any]]:
    """Queue the jobs, tell on stderr how they go, return a summary of each."""
    ids = [engine.submit(job) for job in jobs]
    for run_id in ids:
        follow(engine, run_id)
    return [summary(find_run(run_id)) for run_id in ids]


def follow(engine: Engine, run_id: str) -> None:
    """Wait for a run's end; an interrupt stops it and is passed on."""
    method, seen = find_run(run_id).job.method, 0
    try:
        while not find_run(run_id).state().over:
            events = engine.events(run_id, seen)
            seen += len(events)
            for event in events:
                tell(method, event)
            time.sleep(POLL)
    except KeyboardInterrupt:
        engine.stop(run_id)
        raise
    for event in engine.events(run_id, seen):
        tell(method, event)


def tell(method: str, event: dict[str, Any]) -> None:
    """One event as a line on stderr."""
    kind = event["kind"]
    if kind == "step":
        text = (
            f"step {event['step']:>4}  loss {event['loss']:.4f}  "
            f"{event['tokens_per_second']:.0f} tokens/s  {event['eta_seconds']:.0f} s left"
        )
    elif kind == "eval":
        text = f"{event['when']}: {event['metric']} {event['value']:.2f}"
    elif kind == "started":
        text = f"{event['trainable']:,} parameters train, of {event['total']:,}"
    else:
        text = event.get("what") or event.get("reason") or kind
    sys.stderr.write(f"{method:<18} {text}\n")
