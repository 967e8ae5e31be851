"""Where LLaMA models are used and where they meet their limits, each entry with its source."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field

from explorer.catalogue.catalogue import Catalogue, load_catalogue
from explorer.catalogue.load import DATA, load_folder
from explorer.catalogue.record import Record, Sourced
from explorer.catalogue.table import known

# How a statement about the survey is known; data/survey.toml explains the letters.
Evidence = Literal["S", "R", "P", "C", "K", "I"]


class Entry(Record):
    """One system or finding: what it is, what it builds on, where that was read."""

    name: str
    text: str = Field(min_length=40)
    generations: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    source: tuple[str, ...] = Field(min_length=1)


class Topic(Sourced):
    """An area of use or a challenge; its id is the stem of its file."""

    id: str
    name: str
    order: int
    evidence: Evidence = Field(description="how it is known that the survey names this")
    summary: str = Field(min_length=40)
    entries: tuple[Entry, ...] = Field(min_length=1)

    def cited(self) -> Iterator[tuple[str, str]]:
        """Every source entry with what it stands behind."""
        yield from super().cited()
        for index, entry in enumerate(self.entries):
            yield from ((f"entries.{index}.source", source) for source in entry.source)


@cache
def load_applications(data: Path = DATA) -> dict[str, Topic]:
    """The areas of use, in their order."""
    return _topics(data, "applications")


@cache
def load_challenges(data: Path = DATA) -> dict[str, Topic]:
    """The challenges, in their order."""
    return _topics(data, "challenges")


def _topics(data: Path, folder: str) -> dict[str, Topic]:
    topics = load_folder(data / folder, Topic)
    catalogue = load_catalogue(data)
    for topic in topics.values():
        _check(f"{folder}/{topic.id}.toml", topic, catalogue)
    return dict(sorted(topics.items(), key=lambda item: item[1].order))


def _check(place: str, topic: Topic, catalogue: Catalogue) -> None:
    for entry in topic.entries:
        for name in entry.generations:
            known(f"{place}: {entry.name}", "generation", name, catalogue.generations)
        for name in entry.models:
            known(f"{place}: {entry.name}", "model", name, catalogue.models)
        for name in entry.methods:
            known(f"{place}: {entry.name}", "method", name, catalogue.methods)
