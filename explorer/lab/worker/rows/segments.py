"""Which neighbouring rows of a layer can share one attention call and one block of cache."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from explorer.lab.worker.rows.form import ExcitorForm, RowForm


@dataclass(frozen=True)
class Segment:
    """Rows `start` to `stop` of one layer, all with as many positions before the text.

    `excited` tells segments with rotated extra keys of LLaMA-Excitor (one a query head) from those
    without; extra keys that are not rotated are a bias of the scores and ask for no segment.
    """

    start: int
    stop: int
    prefix: int
    excited: bool

    @property
    def rows(self) -> slice:
        return slice(self.start, self.stop)


def segments_of(forms: Sequence[RowForm], layer: int) -> list[Segment]:
    """The rows of a layer in as few segments as their order allows."""
    segments, start = [], 0
    for (prefix, excitor), group in groupby(forms, lambda form: _kind(form, layer)):
        stop = start + len(list(group))
        segments.append(Segment(start, stop, prefix, excitor is not None))
        start = stop
    return segments


def kept_segments(segments: Sequence[Segment], rows: Sequence[int]) -> list[Segment | None]:
    """Each segment as it stands when only `rows` (rising) are left; None when none of its are."""
    left: list[Segment | None] = []
    start = 0
    for segment in segments:
        count = sum(segment.start <= row < segment.stop for row in rows)
        moved = replace(segment, start=start, stop=start + count)
        left.append(moved if count else None)
        start += count
    return left


def row_order(forms: Sequence[RowForm]) -> list[int]:
    """The rows sorted so that those which can share work are neighbours.

    Rows that change nothing but numbers of their own come first, then low-rank ones, prompts,
    extra keys and prefixes.
    """
    return sorted(range(len(forms)), key=lambda row: (*_sharing(forms[row]), row))


def _sharing(form: RowForm) -> tuple[int, ...]:
    ranks = [part.down.shape[0] for part in form.linears.values() if part.down is not None]
    low_rank = len(ranks)
    kinds = {_excitor_kind(excitor) for excitor in form.excitors.values()}
    kind = min(kinds) if kinds else (False, 0)
    prefix = form.prefix.length if form.prefix else 0
    prompts = len(form.prompts)
    # low-rank rows end where rows with prompts begin, so that rows with both stand at the border
    border = -low_rank if prompts else low_rank
    return prefix, *kind, len(form.excitors), prompts, border, max(ranks, default=0)


def _kind(form: RowForm, layer: int) -> tuple[int, tuple[bool, int] | None]:
    excitor = form.excitors.get(layer)
    prefix = form.prefix.length if form.prefix else 0
    return prefix, _excitor_kind(excitor) if excitor and excitor.rotate else None


def _excitor_kind(excitor: ExcitorForm) -> tuple[bool, int]:
    return excitor.rotate, excitor.prompt.shape[0]
