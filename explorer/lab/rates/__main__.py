"""`python -m explorer.lab.rates`: try learning rates, keep the runs, say which rate is best.

Without methods it takes all that train here. What was kept before is not run again, so that a sweep
can be cut short and goes on when it is started again.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from pathlib import Path

from explorer.catalogue.catalogue import DATA, Catalogue, load_catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.method import Method
from explorer.catalogue.rates import FOLDER, RateRun, best_rate
from explorer.lab.engine import Engine
from explorer.lab.job import TrainJob, make_job
from explorer.lab.rates.book import Book, RunFailedError
from explorer.lab.rates.grid import (
    HELDOUT_ROWS,
    ROWS_A_STEP,
    SEED,
    STEPS,
    next_rate,
    runnable,
    stages,
)
from explorer.lab.runs import Result, delete_run, find_run

POLL = 0.2  # seconds
UNFINISHED = 3  # the exit code of a sweep whose time was over


def main() -> int:
    """Read the command line, run what is missing; 0 when nothing is, 3 when time was over."""
    parser = argparse.ArgumentParser(prog="explorer.lab.rates", description=__doc__)
    parser.add_argument("methods", nargs="*", metavar="METHOD")
    parser.add_argument("--out", type=Path, default=DATA / FOLDER, metavar="FOLDER")
    parser.add_argument("--minutes", type=float, help="begin no run after so long")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    try:
        return sweep(load_catalogue(), args)
    except ExplorerError as error:
        sys.stderr.write(f"explorer.lab.rates: {error}\n")
        return 2


def sweep(catalogue: Catalogue, args: argparse.Namespace) -> int:
    """Run every cell that is not kept yet."""
    ends = time.monotonic() + 60 * args.minutes if args.minutes else math.inf
    methods = [catalogue.method(name) for name in args.methods] or runnable(catalogue)
    book = Book(args.out, catalogue)
    with tempfile.TemporaryDirectory() as runs, Engine(args.device) as engine:
        os.environ["EXPLORER_RUNS"] = runs  # these runs are numbers in a file, no history
        for method, task in stages(methods):
            centre = book.centre(method)
            while rate := next_rate(method, book.of(method.id, task), centre):
                if time.monotonic() > ends:
                    return UNFINISHED
                job = rate_job(catalogue, method, task, rate)
                try:
                    sys.stderr.write(told(carry_out(engine, book, job, centre)))
                except RunFailedError as error:
                    sys.stderr.write(f"{error}\n")
                    break  # what fails at one rate fails at the next
    for method in methods:
        best = best_rate(book.of(method.id))
        said = f"best {best:g}" if best else "no rate that did not diverge"
        sys.stdout.write(f"{method.id:<20} now {method.lab.learning_rate:g}, {said}\n")
    return 0


def told(run: RateRun) -> str:
    """A line a run."""
    reached = "diverged"
    if not run.diverged:
        reached = f"held-out loss {run.heldout_loss:.3f}, {run.metric:.2f} right"
    return f"{run.method:<20} {run.task:<18} {run.learning_rate:<8g} {reached}\n"


def rate_job(catalogue: Catalogue, method: Method, task: str, rate: float) -> TrainJob:
    """One cell's run: no looks on the way, no probe, the method's own knobs."""
    job = make_job(
        catalogue, task, method.id, steps=STEPS, batch_size=ROWS_A_STEP, seed=SEED,
        learning_rate=rate, probe=False, heldout_rows=HELDOUT_ROWS,
    )  # fmt: skip
    return job.model_copy(update={"watch_every": None})


def carry_out(engine: Engine, book: Book, job: TrainJob, centre: float) -> RateRun:
    """Train, keep what came of it, remove the run folder."""
    name = engine.submit(job)
    run = find_run(name)
    while not run.state().over:
        time.sleep(POLL)
    died = Result.of(job, "failed", run.state().reason)  # of a worker that left no result
    try:
        return book.add(job, centre, run.result or died)
    finally:
        delete_run(name)


if __name__ == "__main__":
    sys.exit(main())
