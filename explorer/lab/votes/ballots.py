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
from explorer.lab.folders import made_at, runs_folder
from explorer.lab.runs import write_atomically
from explorer.lab.stored import DamagedFileError, read_stored

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
    return read_stored(path, Ballot)


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
    """Every ballot that was voted on and can be read, the oldest first."""
    found = (_read(path) for path in votes_folder().glob("vote-*.json"))
    voted = [ballot for ballot in found if ballot and ballot.choice]
    yield from sorted(voted, key=lambda ballot: ballot.opened)


def votes_folder() -> Path:
    """Where ballots are kept."""
    return runs_folder() / "votes"


def _write(ballot: Ballot) -> None:
    write_atomically(votes_folder() / f"{ballot.id}.json", ballot.model_dump_json())


def _read(path: Path) -> Ballot | None:
    """None for a ballot that is gone, or that holds no vote that could be read."""
    try:
        return read_stored(path, Ballot)
    except (FileNotFoundError, DamagedFileError):
        return None


def _throw_away_old() -> None:
    for path in votes_folder().glob("vote-*.json"):
        old = time.time() - made_at(path) > UNUSED_SECONDS
        if old and (ballot := _read(path)) and not ballot.choice:
            path.unlink(missing_ok=True)
