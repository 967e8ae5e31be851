"""What the calculator says of a run before it begins, for exactly the batches that it will see."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from explorer.budget.forecast import forecast
from explorer.budget.plan import Plan
from explorer.catalogue.catalogue import DATA, Catalogue
from explorer.catalogue.config import architecture_from_config
from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.hardware import Hardware
from explorer.catalogue.load import load_record
from explorer.lab.job import TrainJob
from explorer.lab.worker.sharing import Sharing
from explorer.lab.worker.shelf import Loaded
from explorer.lab.worker.text import Encoded, batches
from explorer.methods.registry import records

DEVICE = {"cpu": "cpu-2core", "cuda": "h100-sxm"}  # their memory is not asked for, only the kind


def forecast_run(
    job: TrainJob, loaded: Loaded, rows: Sequence[Encoded], sharing: Sharing
) -> dict[str, Any]:
    """Trainable parameters, peak bytes and its terms, as `explorer.budget` has them.

    The peak is that of the batch that needs most: for every pair of length and answer places that
    no other batch of the run exceeds in both, a forecast, and the largest of them. Of several
    processes it is this one's. What the calculator cannot forecast is said in `notes`.
    """
    try:
        return _forecast(job, loaded, rows, sharing)
    except ExplorerError as error:
        return {"notes": [str(error)]}


def _forecast(
    job: TrainJob, loaded: Loaded, rows: Sequence[Encoded], sharing: Sharing
) -> dict[str, Any]:
    architecture = architecture_from_config(loaded.model.config.to_dict())
    device = DEVICE[sharing.accelerator.device.type]
    hardware = load_record(DATA / "hardware" / f"{device}.toml", Hardware)
    known = Catalogue(methods=records(), hardware={device: hardware})
    held = str(loaded.dtype).removeprefix("torch.")
    plans = [
        Plan(
            model=loaded.base.id,
            architecture=architecture,
            method=job.method,
            knobs=job.knobs,
            quantization=job.quantization,
            double_quantization=job.double_quantization and job.quantization == "nf4",
            parameter_dtype=held,
            compute_dtype=held,
            autocast=True,
            master_weights=True,
            batch=max(1, -(-job.batch_size // sharing.processes)),
            length=length,
            padded=padded,
            loss_positions=kept,
            checkpointing=job.gradient_checkpointing,
            hardware=device,
            devices=sharing.processes,
            sharding=sharing.kind,
        )
        for length, kept, padded in demanding_batches(job, rows, sharing)
    ]
    found = max((forecast(plan, known) for plan in plans), key=lambda f: f.memory.allocated)
    return {
        "trainable": found.resolved.trainable.total,
        "exact": found.resolved.trainable.exact,
        "bytes": found.memory.allocated,
        "terms": {name: size for name, size in found.memory.terms.items() if name != "framework"},
        "not_at_once": found.memory.not_at_once,
        "notes": list(found.notes),
    }


def demanding_batches(
    job: TrainJob, rows: Sequence[Encoded], sharing: Sharing
) -> list[tuple[int, int, bool]]:
    """(length, places with logits, padded) of the batches that no other one exceeds in both."""
    shapes = set()
    for whole in islice(batches(len(rows), job.batch_size, job.seed), job.steps):
        numbers = sharing.share(whole) or whole[:1]
        lengths = [len(rows[number].input_ids) for number in numbers]
        starts = [rows[number].answer_start for number in numbers]
        longest = max(lengths)
        shapes.add((longest, longest - min(starts) + 1, min(lengths) < longest))
    return [
        shape
        for shape in shapes
        if not any(other != shape and _exceeds(other, shape) for other in shapes)
    ]


def _exceeds(one: tuple[int, int, bool], other: tuple[int, int, bool]) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True))
