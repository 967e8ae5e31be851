"""The terms that the explorer uses, each explained in a sentence or two."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from explorer.catalogue.load import DATA, DataFileError, read_toml, sentences
from explorer.catalogue.record import Record
from explorer.catalogue.table import known


class Term(Record):
    """A term; `also` holds other spellings that mean the same."""

    id: str
    name: str
    text: str = Field(min_length=40, max_length=420)
    also: tuple[str, ...] = ()
    related: tuple[str, ...] = ()


@cache
def load_glossary(data: Path = DATA) -> dict[str, Term]:
    """The terms by id, in the order of their names. Raises DataFileError for a dangling one."""
    path = data / "glossary.toml"
    terms = {term.id: term for term in _terms(path, read_toml(path))}
    for term in terms.values():
        for name in term.related:
            known(f"{path.name}: {term.id}.related", "term", name, terms)
    _check_spellings(path, terms)
    return dict(sorted(terms.items(), key=lambda item: item[1].name.lower()))


def _terms(path: Path, table: dict[str, Any]) -> Iterator[Term]:
    for identity, content in table.items():
        try:
            yield Term.model_validate({"id": identity, **content})
        except ValidationError as error:
            told = sentences(error, Term)
            raise DataFileError(f"{path.name}: {identity}: {told}.") from error


def _check_spellings(path: Path, terms: dict[str, Term]) -> None:
    """No spelling may mean two terms, or a hover would not know which to show."""
    owners: dict[str, str] = {}
    for term in terms.values():
        for spelling in {term.name.lower(), *(name.lower() for name in term.also)}:
            if spelling in owners:
                raise DataFileError(
                    f"{path.name}: {spelling!r} means both {owners[spelling]!r} and {term.id!r}."
                )
            owners[spelling] = term.id
