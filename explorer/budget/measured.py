"""Published and measured runs, and how far the forecast is from each."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from explorer.budget.forecast import Budget, forecast
from explorer.budget.formula import evaluate
from explorer.budget.plan import make_plan
from explorer.catalogue.catalogue import DATA, Catalogue
from explorer.catalogue.load import load_folder
from explorer.catalogue.record import Record, Source, source_key


class Difference(Record):
    """Bytes that the run's own code holds and transformers does not, as a formula, and why.

    The formula knows `tokens` of a micro-batch and the numbers of the architecture.
    """

    bytes: str
    why: str


class MeasuredRun(Record):
    """One run that someone measured, as a plan of ours."""

    name: str
    plan: dict[str, Any]
    what: Literal["peak allocated", "most reserved", "weights and adapter"]
    bytes: int = Field(gt=0)
    tokens_per_second: float | None = Field(default=None, gt=0)
    differs: tuple[Difference, ...] = ()
    note: str | None = None
    source: tuple[str, ...] = Field(min_length=1)


class MeasuredRuns(Record):
    """The runs of one document."""

    id: str
    about: str
    runs: tuple[MeasuredRun, ...] = Field(min_length=1)
    sources: dict[str, Source]

    @model_validator(mode="after")
    def _sources_resolve(self) -> "MeasuredRuns":
        for run in self.runs:
            for entry in run.source:
                if source_key(entry) not in self.sources:
                    raise ValueError(f"{run.name}: source {entry!r} names no key of sources")
        return self


@dataclass(frozen=True)
class Comparison:
    """A forecast beside a measurement. Errors are shares of what was measured.

    `explained_error` counts what the run's own code is known to hold besides.
    """

    document: str
    run: MeasuredRun
    forecast: int
    explained: int
    tokens_per_second: float | None

    @property
    def error(self) -> float:
        """How far the plain forecast is off."""
        return self.forecast / self.run.bytes - 1

    @property
    def explained_error(self) -> float:
        """How far it is off with the differences in code accounted for."""
        return self.explained / self.run.bytes - 1

    @property
    def speed_error(self) -> float | None:
        """How far the forecast of tokens a second is off."""
        if self.tokens_per_second is None or self.run.tokens_per_second is None:
            return None
        return self.tokens_per_second / self.run.tokens_per_second - 1


@cache
def measured_runs(data: Path = DATA) -> Mapping[str, MeasuredRuns]:
    """All documents of `data/measured`; raises DataFileError naming file and key."""
    return load_folder(data / "measured", MeasuredRuns)


def compare_all(catalogue: Catalogue, data: Path = DATA) -> list[Comparison]:
    """Every measured run beside its forecast."""
    return [
        _compare(document, run, catalogue)
        for document in measured_runs(data).values()
        for run in document.runs
    ]


def _compare(document: MeasuredRuns, run: MeasuredRun, catalogue: Catalogue) -> Comparison:
    budget = forecast(make_plan(**run.plan), catalogue)
    told = _bytes(budget, run.what)
    arch = budget.resolved.arch
    names = {name: getattr(arch, name) for name in ("hidden_size", "intermediate_size")}
    names["num_hidden_layers"] = arch.num_hidden_layers
    names["tokens"] = budget.plan.batch * budget.plan.length
    besides = sum(evaluate(difference.bytes, names) for difference in run.differs)
    return Comparison(document.id, run, told, told + besides, budget.time.tokens_per_second)


def _bytes(budget: Budget, what: str) -> int:
    if what == "weights and adapter":
        return budget.memory.terms["weights"] + budget.memory.terms["adapter"]
    return budget.memory.allocated
