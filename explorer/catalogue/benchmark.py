"""A benchmark, and the published scores that stand under its name."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from explorer.catalogue.record import Fact, Record, Sourced

Better = Literal["higher", "lower"]
Group = Literal[
    "knowledge",
    "reasoning",
    "commonsense",
    "mathematics",
    "code",
    "reading",
    "long context",
    "multilingual",
    "tool use",
    "instruction following",
    "vision",
    "safety",
    "bias and truthfulness",
    "exams",
    "averages",
    "on device",
]
Variant = Literal[
    "base",
    "instruct",
    "python",
    "safety",
    "safety-int8",
    "unreleased",
]


class Benchmark(Sourced):
    """What a benchmark measures; its id is the stem of its file."""

    id: str
    name: str
    group: Group
    measures: str = Field(min_length=20)
    metric: str
    better: Better = "higher"
    lower_is_better: tuple[str, ...] = Field(
        default=(), description="metrics that go against `better`"
    )
    chance: Fact[float] = Field(description="what guessing scores, in the metric's unit")
    source: tuple[str, ...] = Field(min_length=1)
    names: dict[str, str] = Field(
        min_length=1, description="the name a document prints, and which part of it that is"
    )

    def cited(self) -> Iterator[tuple[str, str]]:
        """Every source entry with what it stands behind."""
        yield from super().cited()
        yield from (("source", entry) for entry in self.source)

    def better_in(self, metric: str) -> Better:
        """Whether a higher or a lower value of `metric` is better."""
        return "lower" if metric in self.lower_is_better else self.better


class Score(Record):
    """One published figure, as its document prints it."""

    model: str
    variant: Variant
    benchmark: str = Field(description="the benchmark's id")
    part: str = Field(description="which part of the benchmark; empty for all of it")
    printed: str = Field(description="the benchmark's name in the document")
    metric: str
    shots: str
    value: float
    better: Better
    source: tuple[str, ...] = Field(min_length=1)
    note: str = ""
    not_plotted: str = Field(default="", description="why the figure stays out of plots")

    @property
    def plot(self) -> bool:
        """Whether the figure may stand in a plot among others."""
        return not self.not_plotted

    @property
    def document(self) -> str:
        """Key of the document that prints the figure."""
        return self.source[0].partition(":")[0]

    @property
    def comparable_with(self) -> tuple[str, str, str, str, str]:
        """Two figures may share a line only where this is equal for both."""
        return (self.benchmark, self.part, self.metric.lower(), self.shots, self.document)
