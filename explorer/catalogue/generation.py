"""A LLaMA generation: when it came, what changed from the one before, and why that matters."""

import datetime as dt

from pydantic import Field

from explorer.catalogue.record import Record, Sourced


class Change(Record):
    """One thing that a generation changed."""

    group: str
    what: str
    why: str
    source: tuple[str, ...] = Field(min_length=1)


class Generation(Sourced):
    """A row of the timeline; its id is the stem of its file."""

    id: str
    name: str
    order: int
    released: dt.date
    released_source: tuple[str, ...] = Field(min_length=1)
    summary: str
    previous: str | None = None
    kind: str = "foundation"
    changes: tuple[Change, ...] = ()
