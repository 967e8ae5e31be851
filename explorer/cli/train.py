"""`explorer train`: fine-tune a base on a task with one method after another."""

import argparse
import sys
from pathlib import Path
from typing import Any

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.cli._follow import follow
from explorer.cli._lasting import add_lasting, lasting
from explorer.cli.runs import scores
from explorer.lab.bases import EMBEDDED, find_base
from explorer.lab.engine import Engine
from explorer.lab.history import summary
from explorer.lab.job import TrainJob, make_job
from explorer.lab.own_data.store import Choices, keep
from explorer.lab.own_data.upload import read_upload
from explorer.lab.runs import find_run
from explorer.lab.setup import converted
from explorer.lab.words import check

OF_DATA = ("metric", "held_out", "system")  # choices that a task has made already

HELP = "fine-tune a base on a task; each --method is one run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options. What is not given comes from the task and from the method."""
    parser.add_argument("--base", default=EMBEDDED, metavar="ID", help="a base or a local folder")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--task", metavar="ID", help="a task, or own data that was kept (own-…)")
    what.add_argument("--data", type=Path, metavar="FILE", help="own rows: JSONL, CSV, Parquet, …")
    parser.add_argument("--metric", help="of own data; default rouge-l")
    parser.add_argument("--held-out", type=float, help="share of own data; default 0.1")
    parser.add_argument("--system", help="system message of own data")
    parser.add_argument("--method", required=True, action="append", metavar="ID")
    parser.add_argument("--set", action="append", default=[], metavar="KNOB=VALUE")
    add_lasting(parser)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quant", dest="quantization", metavar="none|int8|nf4")
    parser.add_argument("--precision", metavar="auto|float32|bfloat16")
    parser.add_argument("--max-length", type=int, metavar="TOKENS", help="of prompt and answer")
    parser.add_argument("--evaluate-every", type=int, metavar="STEPS")
    parser.add_argument("--gradient-checkpointing", action="store_const", const=True)
    parser.add_argument("--device", default="auto", help="cpu, cuda:0, …; default: what is there")
    parser.add_argument(
        "--write-job", type=Path, metavar="FILE", help="train nothing: write the job for a launcher"
    )


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Check every job before the first one begins, then train one after another."""
    if args.data:
        args.task = keep_data(args)
    else:
        _refuse_choices_of_data(args)
    jobs = jobs_from(args)
    find_base(args.base, allow_paths=True)
    if args.write_job:
        return [write_job(args.write_job, jobs)]
    with Engine(args.device) as engine:
        records = train_all(engine, jobs)
    if all(record["state"] == "failed" for record in records):
        raise ExplorerError(records[0]["reason"])
    return records


def render(result: list[dict[str, Any]]) -> str:
    """A line a run, or how to launch the job that was written."""
    if "job" in result[0]:
        return f"accelerate launch --multi_gpu -m explorer.lab.worker --job {result[0]['job']}"
    return "\n".join(
        f"{r['run']}  {r['method']:<18} {r['state']:<8} {scores(r)}"
        + (f"  {r['seconds']:.0f} s  {r['trainable']:,} trained" if r["seconds"] else "")
        for r in result
    )


def keep_data(args: argparse.Namespace) -> str:
    """Check the file and keep it as a task; returns its id. Raises UploadError for faulty rows."""
    if not args.data.is_file():
        raise ExplorerError(f"There is no file {str(args.data)!r} with rows to train on.")
    base = converted(find_base(args.base, allow_paths=True))
    given = {name: getattr(args, name) for name in OF_DATA}
    chosen = {name: value for name, value in given.items() if value is not None}
    fixed = {
        "name": args.data.stem[:80], "seed": args.seed, "max_length": args.max_length or 0,
    }  # fmt: skip
    choices = check(Choices, fixed | chosen)
    task = keep(read_upload(args.data, args.data.name), choices, base)
    sys.stderr.write(f"{task.summary} Kept as {task.id}.\n")
    return task.id


def _refuse_choices_of_data(args: argparse.Namespace) -> None:
    """A task brings its own; what is asked for must not be passed over in silence."""
    for name in OF_DATA:
        if getattr(args, name) is not None:
            option = name.replace("_", "-")
            raise ExplorerError(f"--{option} is for --data: the task {args.task} has its own.")


def jobs_from(args: argparse.Namespace) -> list[TrainJob]:
    """The jobs that the options describe."""
    catalogue = load_catalogue()
    names = ("base", "batch_size", "learning_rate", "seed", "quantization", "precision",
             "gradient_checkpointing", "max_length", "evaluate_every")  # fmt: skip
    given = lasting(args) | {name: getattr(args, name) for name in names}
    knobs = knobs_from(args.set)
    return [make_job(catalogue, args.task, method, knobs, **given) for method in args.method]


def write_job(path: Path, jobs: list[TrainJob]) -> dict[str, Any]:
    """Write the one job, for several devices to share; raises ExplorerError for more than one."""
    if len(jobs) != 1:
        raise ExplorerError(f"--write-job writes one job, and --method names {len(jobs)}.")
    try:
        path.write_text(jobs[0].model_dump_json(indent=1), encoding="utf-8")
    except OSError as error:
        raise ExplorerError(f"--write-job {path}: {error.strerror}.") from error
    return {"job": str(path)}


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
