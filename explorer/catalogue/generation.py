"""A LLaMA generation: when it came, what changed from the one before, and why that matters."""

import datetime as dt
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from explorer.catalogue.record import Record, Sourced

Group = Literal[
    "attention",
    "positions",
    "feed-forward",
    "norm",
    "vocabulary",
    "context",
    "multimodality",
    "training data",
    "licence",
]


class Change(Record):
    """One thing that a generation changed."""

    group: Group
    what: str = Field(min_length=10)
    why: str = Field(min_length=10, description="one sentence: why it matters")
    source: tuple[str, ...] = Field(min_length=1)


class Generation(Sourced):
    """A row of the timeline; its id is the stem of its file."""

    id: str
    name: str
    order: int = Field(description="position on the timeline, from 1")
    released: dt.date
    released_source: tuple[str, ...] = Field(min_length=1)
    kind: Literal["foundation", "code", "small", "quantized", "vision", "safety"] = "foundation"
    previous: str | None = Field(default=None, description="id of what it was built from")
    summary: str = Field(min_length=40)
    changes: tuple[Change, ...] = Field(min_length=1)

    def cited(self) -> Iterator[tuple[str, str]]:
        """Every source entry with what it stands behind."""
        yield from super().cited()
        yield from (("released_source", entry) for entry in self.released_source)
        for index, change in enumerate(self.changes):
            yield from ((f"changes.{index}.source", entry) for entry in change.source)
