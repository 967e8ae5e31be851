"""Where a column's adapter comes from: a run of the lab, or an adapter that was brought."""

from dataclasses import dataclass
from pathlib import Path

from explorer.lab.job import Quantization
from explorer.lab.own_adapters.store import ID, find_adapter
from explorer.lab.runs import find_run


@dataclass(frozen=True)
class Source:
    """An adapter on disk with what is known of how it was made. `task` and `system` may not be."""

    id: str
    folder: Path
    base: str
    method: str
    label: str
    quantization: Quantization = "none"
    double_quantization: bool = True
    system: str | None = None
    task: str | None = None
    about: str = ""


def find_source(name: str) -> Source:
    """The adapter with this id, a run's or one that was brought.

    Raises UnknownNameError when there is none, ExplorerError for a run that goes on or that ended
    before it had one.
    """
    if ID.fullmatch(name):
        own = find_adapter(name)
        told = own.about
        about = f"brought along, {told.parameters:,} parameters"
        return Source(name, own.files, told.base, told.method, told.name, about=about)
    run = find_run(name)
    run.demand_adapter()
    job = run.job
    return Source(
        id=run.id,
        folder=run.adapter,
        base=job.base,
        method=job.method,
        label=job.label,
        quantization=job.quantization,
        double_quantization=job.double_quantization,
        system=job.system,
        task=job.task,
        about=f"{job.steps} steps, seed {job.seed}",
    )
