"""Ballots: answers without names, in an order drawn by lot, and what was chosen among them."""

import re
import secrets
import string
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field

from explorer.catalogue.errors import ExplorerError, UnknownNameError, unknown
from explorer.catalogue.record import Record
from explorer.lab.folders import runs_folder
from explorer.lab.runs import write_atomically

ID = re.compile(r"vote-[0-9a-f]{12}")
TIE = "tie"
UNUSED_SECONDS = 24 * 3600.0  # after that a ballot nobody voted on is thrown away

T = TypeVar("T")


class Ballot(Record):
    """One comparison to vote on. `columns` and `names` are in the order that was shown."""

    id: str
    opened: float  # seconds since the epoch
    prompt: str
    base: str
    columns: tuple[str, ...] = Field(min_length=2)
    names: tuple[str, ...]
    result: dict[str, Any] = Field(default_factory=dict)  # the comparison as it was answered
    choice: str = ""  # a letter, or "tie"; empty while nobody has voted

    @property
    def letters(self) -> str:
        """The answers' names while they have none: A, B, …"""
        return string.ascii_uppercase[: len(self.columns)]

    @property
    def chosen(self) -> int | None:
        """The place of the answer that won, None for a tie."""
        return None if self.choice == TIE else self.letters.index(self.choice)


def shuffled(items: Sequence[T]) -> list[T]:
    """The items in an order that nobody can foresee."""
    mixed = list(items)
    secrets.SystemRandom().shuffle(mixed)
    return mixed


def open_ballot(
    prompt: str, base: str, columns: Sequence[str], names: Sequence[str], result: dict[str, Any]
) -> Ballot:
    """Keep answers to be voted on, in the order in which they are shown."""
    if len(columns) < 2:
        raise ExplorerError("A vote needs at least two columns: choose an adapter.")
    folder = votes_folder()
    folder.mkdir(parents=True, exist_ok=True)
    _throw_away_old()
    ballot = Ballot(
        id=f"vote-{secrets.token_hex(6)}",
        opened=time.time(),
        prompt=prompt,
        base=base,
        columns=tuple(columns),
        names=tuple(names),
        result=result,
    )
    _write(ballot)
    return ballot


def find_ballot(name: str) -> Ballot:
    """The ballot with this id; raises UnknownNameError for anything else, a path included."""
    path = votes_folder() / f"{name}.json"
    if not ID.fullmatch(name) or not path.is_file():
        raise UnknownNameError(f"There is no ballot {name!r:.60}: ask blindly first.")
    return Ballot.model_validate_json(path.read_bytes())


def vote(name: str, choice: str) -> Ballot:
    """Vote for a letter or "tie", once; returns the ballot with the names that go with it."""
    ballot = find_ballot(name)
    if ballot.choice:
        raise ExplorerError(f"This ballot has its vote already ({ballot.choice}).")
    known = (*ballot.letters, TIE)
    if choice not in known:
        raise unknown("answer", choice, known)
    ballot = ballot.model_copy(update={"choice": choice})
    _write(ballot)
    return ballot


def list_votes() -> Iterator[Ballot]:
    """Every ballot that was voted on, the oldest first."""
    folder = votes_folder()
    found = [Ballot.model_validate_json(path.read_bytes()) for path in folder.glob("vote-*.json")]
    yield from sorted((b for b in found if b.choice), key=lambda ballot: ballot.opened)


def votes_folder() -> Path:
    """Where ballots are kept."""
    return runs_folder() / "votes"


def _write(ballot: Ballot) -> None:
    write_atomically(votes_folder() / f"{ballot.id}.json", ballot.model_dump_json())


def _throw_away_old() -> None:
    for path in votes_folder().glob("vote-*.json"):
        old = time.time() - path.stat().st_mtime > UNUSED_SECONDS
        if old and not Ballot.model_validate_json(path.read_bytes()).choice:
            path.unlink()
