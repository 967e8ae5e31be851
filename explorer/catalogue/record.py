"""What every record has in common: frozen, strict, each number beside its source."""

import datetime as dt
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from explorer.catalogue.errors import nearest

T = TypeVar("T")
# A plain text: pydantic's own Url type costs a tenth of a second at import.
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+\.[^\s/]+(/\S*)?$")]

# A source that is not a document: how the value was come by, in words after the colon.
REASONS = ("derived", "computed", "inferred", "measured")


class Record(BaseModel):
    """A frozen record; a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Record):
    """A document that numbers were read in."""

    title: str = Field(min_length=3)
    url: Url
    accessed: dt.date
    published: dt.date | None = None
    kind: Literal["primary", "third party"] = "primary"


class Claim(Record, Generic[T]):
    """What another source says of the same thing."""

    value: T
    source: tuple[str, ...] = Field(min_length=1)
    note: str | None = None


class Fact(Record, Generic[T]):
    """A value with where it was read.

    `source` entries are `key: place`, with a key of the file's `sources`, or one of
    derived/computed/inferred/measured followed by the reasoning. A value that is not known is left
    out; `note` then says why. `also` holds what other sources say where they disagree.
    """

    value: T | None = None
    source: tuple[str, ...] = ()
    note: str | None = None
    also: tuple[Claim[T], ...] = ()

    @model_validator(mode="after")
    def _has_a_source_or_a_reason(self) -> "Fact[T]":
        if self.value is None and not self.note:
            raise ValueError("a value that is left out needs a note that says why it is unknown")
        if self.value is not None and not self.source:
            raise ValueError("a value needs a source")
        return self

    @property
    def disputed(self) -> bool:
        """Whether sources disagree on this value."""
        return bool(self.also)


def facts_of(record: BaseModel) -> dict[str, Fact[Any]]:
    """The record's facts by field name, in the order of the record's fields."""
    named = ((name, getattr(record, name)) for name in type(record).model_fields)
    return {name: value for name, value in named if isinstance(value, Fact)}


def source_key(entry: str) -> str:
    """The part of a source entry before its colon: a key of `sources` or a reason."""
    return entry.split(":", 1)[0].strip()


def check_entry(name: str, entry: str, sources: Collection[str]) -> None:
    """Raise ValueError unless `entry` names a document of `sources` or gives its reasoning."""
    key = source_key(entry)
    if key in sources:
        return
    if key not in REASONS:
        match = nearest(key, [*sources, *REASONS])
        hint = f"did you mean {match!r}?" if match else f"known: {', '.join(sources) or 'none'}"
        raise ValueError(f"{name}: source {entry!r} names no known key, {hint}")
    if not entry.partition(":")[2].strip():
        raise ValueError(f"{name}: source {entry!r} must say how, after a colon")


class Sourced(Record):
    """A record that names the documents in its `sources`; each of them is used, none dangles."""

    sources: dict[str, Source] = {}

    def cited(self) -> Iterator[tuple[str, str]]:
        """Every source entry of the record with the name of what it stands behind."""
        for name, fact in facts_of(self).items():
            for entry in [*fact.source, *(e for claim in fact.also for e in claim.source)]:
                yield name, entry

    @model_validator(mode="after")
    def _sources_resolve(self) -> "Sourced":
        unused = set(self.sources)
        for name, entry in self.cited():
            check_entry(name, entry, self.sources)
            unused.discard(source_key(entry))
        if unused:
            raise ValueError(f"sources.{min(unused)} is named by nothing in this file")
        return self
