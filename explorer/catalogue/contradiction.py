"""Where sources contradict each other: who says what, which figure is used, and why."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from explorer.catalogue.benchmark import Score
from explorer.catalogue.catalogue import DATA, Catalogue, load_catalogue
from explorer.catalogue.load import DataFileError, read_toml, sentences
from explorer.catalogue.record import Record, check_entry, source_key
from explorer.catalogue.scores import load_scores, load_sources
from explorer.catalogue.table import known


class Figure(Record):
    """A score that stands in the CSV files, by what identifies it."""

    model: str
    benchmark: str
    part: str = ""
    variant: str = "base"
    shots: str | None = None
    value: float


class Saying(Record):
    """What one side says, where it says so, and the scores that are meant."""

    says: str = Field(min_length=1)
    source: tuple[str, ...] = Field(min_length=1)
    figures: tuple[Figure, ...] = ()


class Contradiction(Record):
    """One disagreement between sources."""

    id: str
    kind: Literal["architecture", "training", "benchmark", "method", "software", "licence"]
    title: str = Field(min_length=10)
    models: tuple[str, ...] = ()
    fields: tuple[str, ...] = Field(default=(), description="facts of these models that hold both")
    methods: tuple[str, ...] = ()
    sayings: tuple[Saying, ...] = Field(min_length=1)
    used: str = Field(min_length=10, description="what the catalogue uses, and why")


@cache
def load_contradictions(data: Path = DATA) -> tuple[Contradiction, ...]:
    """Every contradiction of data/results/contradictions.toml, in the file's order."""
    path = data / "results" / "contradictions.toml"
    found = tuple(_records(path, read_toml(path)))
    catalogue, scores = load_catalogue(data), load_scores(data)
    for item in found:
        _check(f"{path.name}: {item.id}", item, catalogue, scores, data)
    return found


def _records(path: Path, table: dict[str, Any]) -> Iterator[Contradiction]:
    for identity, content in table.items():
        try:
            yield Contradiction.model_validate({"id": identity, **content})
        except ValidationError as error:
            told = sentences(error, Contradiction)
            raise DataFileError(f"{path.name}: {identity}: {told}.") from error


def _check(
    place: str, item: Contradiction, catalogue: Catalogue, scores: Sequence[Score], data: Path
) -> None:
    for name in item.models:
        known(place, "model", name, catalogue.models)
    for name in item.methods:
        known(place, "method", name, catalogue.methods)
    for name in item.fields:
        known(place, "fact", name, type(next(iter(catalogue.models.values()))).model_fields)
    for saying in item.sayings:
        for entry in saying.source:
            try:
                check_entry(place, entry, load_sources(data))
            except ValueError as error:
                raise DataFileError(f"{error}.") from error
        for figure in saying.figures:
            if not any(_is(figure, score, saying) for score in scores):
                raise DataFileError(
                    f"{place}: no score of {figure.model} on {figure.benchmark} is {figure.value} "
                    f"in {', '.join(saying.source)}."
                )


def _is(figure: Figure, score: Score, saying: Saying) -> bool:
    """Whether `score` is the figure that the saying means, read in one of its documents."""
    wanted = figure.model_dump(exclude_none=True)
    return score.document in {source_key(entry) for entry in saying.source} and all(
        getattr(score, name) == value for name, value in wanted.items()
    )
