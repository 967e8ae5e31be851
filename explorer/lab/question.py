"""From a prompt and some runs to a checked comparison: which base, which system message."""

from collections.abc import Sequence
from typing import Any

from explorer.catalogue.errors import ExplorerError
from explorer.lab.bases import EMBEDDED, find_base
from explorer.lab.request import BASE_COLUMN, CompareRequest, Sampling, Turn
from explorer.lab.runs import Run, find_run
from explorer.lab.words import check


def ask_runs(
    prompt: str,
    runs: Sequence[str],
    *,
    base: str | None = None,
    system: str | None = None,
    seed: int = 0,
    sampling: dict[str, Any] | None = None,
) -> CompareRequest:
    """The base and these runs, asked `prompt`; everything checked before a worker is troubled.

    Without `base` it is the one that the runs stand on. Without `system` it is what all of them
    were trained with, if they agree, else what the base's chat template says by itself.
    Raises UnknownNameError for a run that is gone, ExplorerError for one without an adapter, for
    runs on different bases, and for a value out of range.
    """
    found = [find_run(name) for name in runs]
    for run in found:
        _has_adapter(run)
    settings = check(Sampling, sampling or {})
    chosen = base or common_base(found)
    find_base(chosen, allow_paths=True)
    system = common_system(found) if system is None else system
    opening = [] if system is None else [check(Turn, {"role": "system", "content": system})]
    messages = (*opening, check(Turn, {"role": "user", "content": prompt}))
    columns = (BASE_COLUMN, *(run.id for run in found))
    values = {"columns": columns, "messages": messages, "base": chosen, "seed": seed}
    return check(CompareRequest, values | {"sampling": settings})


def common_base(runs: Sequence[Run]) -> str:
    """The base that all runs were trained on; raises ExplorerError when they differ."""
    bases = sorted({run.job.base for run in runs})
    if len(bases) > 1:
        raise ExplorerError(
            f"The runs stand on different bases ({', '.join(bases)}): compare those on one base."
        )
    return bases[0] if bases else EMBEDDED


def common_system(runs: Sequence[Run]) -> str | None:
    """The system message that all runs were trained with; None when they differ or had none."""
    systems = {run.job.system for run in runs}
    return systems.pop() if len(systems) == 1 else None


def _has_adapter(run: Run) -> None:
    state = run.state()
    if not state.over:
        raise ExplorerError(f"The run {run.id} is still {state.name}: wait for its end.")
    if not run.adapter.is_dir():
        why = f" ({state.reason})" if state.reason else ""
        raise ExplorerError(f"The run {run.id} {state.name} before it had an adapter{why}.")
