"""`explorer runs`: what was trained here, the newest first."""

import argparse
from typing import Any

from explorer.lab.runs import Run, delete_run, find_run, list_runs

HELP = "list the training runs, or tell one of them in full"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run's id, to tell all of it")
    parser.add_argument("--stop", action="store_true", help="ask the run to stop")
    parser.add_argument("--delete", action="store_true", help="remove the run from disk")


def run(args: argparse.Namespace) -> list[dict[str, Any]] | dict[str, Any]:
    """Summaries of all runs; or one run's job, result and number of events."""
    if not args.run:
        return [summary(found) for found in list_runs()]
    found = find_run(args.run)
    if args.stop and not found.state().over:
        found.ask_to_stop()
    if args.delete:
        delete_run(args.run)
        return {"run": args.run, "deleted": True}
    return {**summary(found), "folder": str(found.folder), "job": found.job.model_dump(mode="json")}


def render(result: list[dict[str, Any]] | dict[str, Any]) -> str:
    """A table of runs, or one run's values a line."""
    if isinstance(result, dict):
        return "\n".join(f"{name:<18} {value}" for name, value in result.items())
    if not result:
        return "No runs yet: `python -m explorer train --task … --method …` makes one."
    rows = [
        f"{r['run']}  {r['state']:<8} {r['method']:<18} {r['task']:<20} {scores(r)}" for r in result
    ]
    return "\n".join(rows)


def summary(found: Run) -> dict[str, Any]:
    """A run in one record; values that were not measured are None."""
    job, state, result = found.job, found.state(), found.result
    measured = (
        "metric", "metric_base", "metric_after", "heldout_loss_base", "heldout_loss_after",
        "interval", "final_loss", "trainable", "total", "seconds", "tokens_per_second",
        "peak_bytes", "adapter_bytes", "steps_done", "device", "precision",
    )  # fmt: skip
    return {
        "run": found.id,
        "state": state.name,
        "reason": state.reason,
        "method": job.method,
        "task": job.task,
        "base": job.base,
        "quantization": job.quantization,
        "steps": job.steps,
        "seed": job.seed,
        **{name: getattr(result, name, None) for name in measured},
    }


def scores(record: dict[str, Any]) -> str:
    """The metric before and after, or why there is none."""
    if record["metric_after"] is None:
        return record["reason"]
    return f"{record['metric']} {record['metric_base']:.2f} → {record['metric_after']:.2f}"
