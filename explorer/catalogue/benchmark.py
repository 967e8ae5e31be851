"""A benchmark, and the published scores that stand under its name."""

from typing import Literal

from pydantic import Field

from explorer.catalogue.record import Record, Sourced


class Benchmark(Sourced):
    """What a benchmark measures; its id is the stem of its file."""

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    measures: str
    metric: str
    better: Literal["higher", "lower"] = "higher"
    group: str
    chance: float | None = None
    source: tuple[str, ...] = Field(min_length=1)


class Score(Record):
    """One published figure, as its document prints it."""

    model: str
    variant: str
    benchmark: str
    metric: str
    shots: str
    value: float
    source: str
    note: str = ""
    plot: bool = True
