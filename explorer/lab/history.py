"""All runs as records, found by words, and the same recipe once more."""

from collections.abc import Iterator
from typing import Any

from explorer.catalogue.errors import ExplorerError, UnknownNameError
from explorer.lab.engine import Engine
from explorer.lab.job import TrainJob
from explorer.lab.merge import merge_check
from explorer.lab.notes import read_notes
from explorer.lab.runs import Run, every_run, find_run
from explorer.lab.stored import DamagedFileError

MEASURED = (
    "metric", "metric_base", "metric_after", "heldout_loss_base", "heldout_loss_after",
    "interval", "final_loss", "forgetting", "trainable", "total", "seconds", "tokens_per_second",
    "peak_bytes", "adapter_bytes", "steps_done", "device", "precision",
)  # fmt: skip
OF_THE_JOB = {  # with what stands for them where a job cannot be read
    "method": "", "task": "", "base": "", "quantization": "", "steps": 0, "seed": 0,
    "label": "damaged run", "race": "",
}  # fmt: skip
KEYS = ("run", "created", "state", "reason", *OF_THE_JOB, "note", "tags", *MEASURED)
MAX_QUERY = 200


def summary(run: Run) -> dict[str, Any]:
    """A run in one record; values that were not measured are None."""
    job, state, result, notes = run.job, run.state(), run.result, read_notes(run)
    return {
        "run": run.id,
        "created": run.created.isoformat(),
        "state": state.name,
        "reason": state.reason,
        **{name: getattr(job, name) for name in OF_THE_JOB},
        "note": notes.note,
        "tags": list(notes.tags),
        **{name: getattr(result, name, None) for name in MEASURED},
    }


def _damaged(run: Run, reason: str) -> dict[str, Any]:
    """What is left to say of a run whose job cannot be read: it failed, and it can be deleted."""
    told = {"run": run.id, "created": run.created.isoformat(), "state": "failed", "reason": reason}
    return told | OF_THE_JOB | {"note": "", "tags": []} | dict.fromkeys(MEASURED)


def find_runs(query: str = "") -> Iterator[dict[str, Any]]:
    """Summaries of the runs that all words of the query fit, the newest first.

    A word fits where it occurs: `lora`, `nf4`, `done`. `tag:first` asks for a tag, and any other
    `key:value` for a value of the summary, such as `method:lora` or `state:failed`. Raises
    ExplorerError for a key that summaries do not have.
    """
    if len(query) > MAX_QUERY:
        raise ExplorerError(f"The search has {len(query)} characters; at most {MAX_QUERY}.")
    words = query.lower().split()
    for word in words:
        _demand_key(word)
    for run in every_run():
        try:
            record = summary(run)
        except UnknownNameError:
            continue  # deleted while we looked
        except DamagedFileError as error:
            record = _damaged(run, str(error))
        if all(_fits(record, word) for word in words):
            yield record


def _demand_key(word: str) -> None:
    key, colon, _ = word.partition(":")
    if colon and key not in ("tag", *KEYS):
        known = ", ".join(("tag", "method", "task", "state", "base", "quantization", "seed"))
        raise ExplorerError(f"There is no {key!r:.40} to search for; there are {known}.")


def _fits(record: dict[str, Any], word: str) -> bool:
    key, colon, value = word.partition(":")
    if not colon:
        names = ("run", "state", "method", "task", "base", "quantization", "label", "note")
        said = [str(record[name]).lower() for name in names]
        return any(word in text for text in [*said, *map(str.lower, record["tags"])])
    if key == "tag":
        return value in map(str.lower, record["tags"])
    return str(record[key]).lower() == value


def again(run: Run, engine: Engine) -> str:
    """Queue a run with the same job; the same seed on the same machine gives the same losses."""
    return engine.submit(TrainJob.model_validate(run.job.model_dump() | {"race": ""}))


def full_record(name: str) -> dict[str, Any]:
    """A run in full: summary, folder, job, versions and the check of its merge."""
    run = find_run(name)
    result = run.result
    return {
        **summary(run),
        "folder": str(run.folder),
        "job": run.job.model_dump(mode="json"),
        "versions": result.versions if result else {},
        "merge_check": merge_check(run),
    }
