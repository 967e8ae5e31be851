"""One run carried out by itself, by as many processes as a launcher has started for it."""

import sys
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from explorer.catalogue.errors import ExplorerError
from explorer.lab.job import TrainJob
from explorer.lab.runs import JOB, Run, create_run
from explorer.lab.stored import read_stored
from explorer.lab.worker.precision import set_threads
from explorer.lab.worker.sharing import Sharing
from explorer.lab.worker.shelf import Shelf
from explorer.lab.worker.train import Training


def carry_out(folder: Path | None, job: Path | None) -> int:
    """Carry out a run's folder, or a job in a new one; returns the exit status.

    Every process takes its share of each batch. A status other than 0 lets the launcher end the
    others, which wait for whoever failed alone.
    """
    set_threads()
    device = PartialState(cpu=not torch.cuda.is_available()).device
    try:
        asked = None if job is None else read_job(job)
        sharing = Sharing(device)
        run = waiting(folder) if asked is None else new_run(asked, sharing)
    except ExplorerError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    training = Training(run, Shelf(device, sharing.holding), sharing)
    for _ in training.go():
        pass
    result = training.report.result
    if sharing.first:
        sys.stdout.write(f"{run.id} {result.state} {result.reason}".rstrip() + "\n")
    return int(result.state == "failed")


def read_job(path: Path) -> TrainJob:
    """The job that a file holds; raises ExplorerError with what is wrong with it."""
    try:
        return read_stored(path, TrainJob)
    except OSError as error:
        raise ExplorerError(f"{path} holds no job: {error.strerror}.") from error


def new_run(job: TrainJob, sharing: Sharing) -> Run:
    """A run that the first process makes, in all of them."""
    made = [str(create_run(job).folder) if sharing.first else ""]
    broadcast_object_list(made)
    return Run(Path(made[0]).name, Path(made[0]))


def waiting(folder: Path) -> Run:
    """The run of a folder; raises ExplorerError where there is none, or its end."""
    run = Run(folder.absolute().name, folder.absolute())
    if not (run.folder / JOB).is_file():
        raise ExplorerError(f"{folder} is no run: it has no {JOB}.")
    if run.result is not None:
        raise ExplorerError(f"{folder} is over ({run.result.state}): launch its {JOB} with --job.")
    return run
