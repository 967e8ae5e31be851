"""The forgetting probe's texts and statements (see data/probe/README.md)."""

import json
from functools import cache
from pathlib import Path

from pydantic import Field, model_validator

from explorer.catalogue.catalogue import DATA
from explorer.catalogue.record import Record

PROBE = DATA / "probe"


class Passage(Record):
    """A neutral text."""

    text: str = Field(min_length=20)


class Statement(Record):
    """The beginning of a statement that the base can finish, with endings of which one is right."""

    statement: str = Field(min_length=3)
    endings: tuple[str, ...] = Field(min_length=2)
    right: int = Field(ge=0)

    @model_validator(mode="after")
    def _right_is_an_ending(self) -> "Statement":
        if self.right >= len(self.endings) or len(set(self.endings)) < len(self.endings):
            raise ValueError("right has to be the place of one of the endings, which differ")
        return self


@cache
def passages(folder: Path = PROBE) -> tuple[str, ...]:
    """The neutral texts."""
    lines = (folder / "text.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(Passage.model_validate(json.loads(line)).text for line in lines)


@cache
def statements(folder: Path = PROBE) -> tuple[Statement, ...]:
    """The quiz."""
    lines = (folder / "quiz.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(Statement.model_validate(json.loads(line)) for line in lines)
