"""From a prompt and some columns to a checked comparison: which base, which system message."""

from collections.abc import Mapping, Sequence
from typing import Any

from explorer.catalogue.errors import ExplorerError
from explorer.lab.adapter_source import Source, find_source
from explorer.lab.bases import EMBEDDED, find_base
from explorer.lab.columns import BASE_COLUMN, parse_column
from explorer.lab.request import CompareRequest, Sampling, Turn
from explorer.lab.words import check

Turns = Sequence[Mapping[str, str]]  # role and content of each


def ask_runs(  # noqa: PLR0913  # all that a comparison can be told, each with its usual value
    prompt: str,
    runs: Sequence[str],
    *,
    base: str | None = None,
    system: str | None = None,
    seed: int = 0,
    sampling: dict[str, Any] | None = None,
    strength: float = 1.0,
    histories: Mapping[str, Turns] | None = None,
    **options: Any,
) -> CompareRequest:
    """The base and these adapters, asked `prompt`; all is checked before a worker is troubled.

    `runs` are columns as explorer.lab.columns writes them; `strength` multiplies all of theirs.
    Without `base` it is the one that they stand on. Without `system` it is what all of them were
    trained with, if they agree, else what the base's chat template says by itself. `histories` are
    each column's turns before this one; `options` are other fields of the request.
    Raises UnknownNameError for an adapter that is gone, ExplorerError for a run without one, for
    adapters of different bases, and for a value out of range.
    """
    if not prompt.strip():
        raise ExplorerError(
            f"prompt = {prompt!r:.40}: the prompt is empty: write something to answer."
        )
    specs = [parse_column(word).at(strength) for word in runs if word != BASE_COLUMN]
    sources = [find_source(share.source) for spec in specs for share in spec.shares]
    settings = check(Sampling, sampling or {})
    chosen = base or common_base(sources)
    find_base(chosen, allow_paths=True)
    system = common_system(sources) if system is None else system
    opening = [] if system is None else [check(Turn, {"role": "system", "content": system})]
    messages = (*opening, check(Turn, {"role": "user", "content": prompt}))
    columns = (BASE_COLUMN, *(spec.word for spec in specs))
    values = {"columns": columns, "messages": messages, "base": chosen, "seed": seed}
    told = {
        column: tuple(check(Turn, dict(turn)) for turn in turns)
        for column, turns in (histories or {}).items()
    }
    return check(CompareRequest, values | {"sampling": settings, "histories": told} | options)


def common_base(sources: Sequence[Source]) -> str:
    """The base that all adapters were made for; raises ExplorerError when they differ."""
    bases = sorted({source.base for source in sources})
    if len(bases) > 1:
        raise ExplorerError(
            f"The adapters stand on different bases ({', '.join(bases)}): compare those on one "
            "base."
        )
    return bases[0] if bases else EMBEDDED


def common_system(sources: Sequence[Source]) -> str | None:
    """The system message that all were trained with; None when they differ or had none.

    Adapters that were brought along say nothing of it and are not asked.
    """
    systems = {source.system for source in sources if source.task is not None}
    return systems.pop() if len(systems) == 1 else None
