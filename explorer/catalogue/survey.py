"""The survey that this explorer follows: its record, and where it or reports of it err."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic import Field

from explorer.catalogue.applications import Evidence
from explorer.catalogue.load import DATA, load_record
from explorer.catalogue.record import Record, Sourced


class Author(Record):
    """One author, as the arXiv listing spells the name."""

    name: str
    affiliation: str


class Statement(Record):
    """Something that the survey says, and how that is known."""

    text: str = Field(min_length=10)
    evidence: Evidence
    source: tuple[str, ...] = Field(min_length=1)


class Inconsistency(Record):
    """A point where the survey, or a report of it, disagrees with primary facts."""

    number: int
    statement: str = Field(min_length=5)
    evidence: Evidence
    evidence_note: str = ""
    primary: str = Field(min_length=20, description="what primary sources say")
    models: tuple[str, ...] = ()
    source: tuple[str, ...] = Field(min_length=1)


class Survey(Sourced):
    """The survey's record."""

    id: str
    title: str
    arxiv: str
    version: int
    submitted: str
    licence: str
    authors: tuple[Author, ...]
    reach: str = Field(min_length=40, description="how much of the survey could be read")
    tags: dict[Evidence, str]
    facts: tuple[Statement, ...] = Field(min_length=1)
    inconsistencies: tuple[Inconsistency, ...] = Field(min_length=1)
    not_to_pass_on: tuple[Statement, ...] = ()

    def cited(self) -> Iterator[tuple[str, str]]:
        """Every source entry with what it stands behind."""
        yield from super().cited()
        for name in ("facts", "inconsistencies", "not_to_pass_on"):
            for index, item in enumerate(getattr(self, name)):
                yield from ((f"{name}.{index}.source", entry) for entry in item.source)


@cache
def load_survey(data: Path = DATA) -> Survey:
    """The survey's record, read from data/survey.toml."""
    return load_record(data / "survey.toml", Survey)
