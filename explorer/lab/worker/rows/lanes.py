"""Columns sorted into what can run together: one batch a base, and single models for the rest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedModel

from explorer.lab.worker.rows.alone import Alone
from explorer.lab.worker.rows.batch import RowBatch
from explorer.lab.worker.rows.column import Column, Part
from explorer.lab.worker.rows.form import NoRowFormError, RowForm, mix
from explorer.lab.worker.rows.reading import read_row
from explorer.lab.worker.rows.segments import row_order


class Runner(Protocol):
    """Rows of one prompt that move on together."""

    def prefill(
        self, token_ids: Tensor, room: int = 0, chunk: int = 256, padding: Tensor | None = None
    ) -> Iterator[Tensor]: ...
    def step(self, token_ids: Tensor) -> Tensor: ...
    def score(self, token_ids: Tensor) -> Tensor: ...
    def keep(self, rows: list[int]) -> None: ...


@dataclass
class Lane:
    """`columns[row]` is the place of each row's column among those that were asked for.

    `why_alone` says why a column is not in a batch; empty for a batch.
    """

    runner: Runner
    base: PreTrainedModel
    columns: list[int]
    why_alone: str = ""

    def keep(self, rows: list[int]) -> None:
        """Drop all rows but these."""
        self.runner.keep(rows)
        self.columns = [self.columns[row] for row in rows]


def make_lanes(columns: Sequence[Column]) -> list[Lane]:
    """Batches first, then the columns that run alone, each with the reason.

    Raises NoRowFormError for a mix of adapters that cannot be added up.
    """
    batches: dict[int, list[tuple[int, RowForm]]] = {}
    alone: list[Lane] = []
    for place, column in enumerate(columns):
        try:
            form = _row_form(column)
        except NoRowFormError as reason:
            if len(column.parts) > 1:
                raise
            alone.append(Lane(_alone(column), column.base, [place], str(reason)))
        else:
            batches.setdefault(id(column.base), []).append((place, form))
    return [_batch(columns, rows) for rows in batches.values()] + alone


def _row_form(column: Column) -> RowForm:
    base = column.base
    if type(base) is not LlamaForCausalLM:
        raise NoRowFormError(f"A {type(base).__name__} runs its columns one by one.")
    forms = [_read(part, base) for part in column.parts]
    return forms[0] if len(forms) == 1 else mix(forms)


def _read(part: Part, base: PreTrainedModel) -> RowForm:
    if part.strength != 1:
        return read_row(part.model, base, part.strength)
    if id(base) not in part.read:
        part.read[id(base)] = read_row(part.model, base)
    return part.read[id(base)]


def _alone(column: Column) -> Alone:
    if not column.parts or column.parts[0].strength == 0:
        return Alone(column.base, column.base)
    (part,) = column.parts
    return Alone(part.model, column.base, part.strength)


def _batch(columns: Sequence[Column], rows: list[tuple[int, RowForm]]) -> Lane:
    order = row_order([form for _, form in rows])
    places, forms = zip(*(rows[row] for row in order), strict=True)
    base = columns[places[0]].base
    return Lane(RowBatch(base, forms), base, list(places))
