"""What every column of a comparison has said so far: from events, and as plain values."""

import statistics
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from explorer.catalogue.errors import ExplorerError
from explorer.lab.events import ColumnDone, Progress, SelfCheck, Shift, Token
from explorer.lab.request import CompareRequest, Turn


@dataclass
class Column:
    """One column as it stands. `base_logprobs` are what the base gives each of its tokens."""

    id: str
    name: str
    about: str = ""
    text: str = ""
    turns: tuple[Turn, ...] = ()  # what was said before
    tokens: list[Token] = field(default_factory=list)
    base_logprobs: tuple[float, ...] = ()
    check: SelfCheck | None = None
    done: ColumnDone | None = None

    @property
    def mean_logprob(self) -> float | None:
        """Nats a token under the column's own distribution; None before the first."""
        return statistics.fmean(t.logprob for t in self.tokens) if self.tokens else None

    def take(self, event: Token | SelfCheck | Shift | ColumnDone) -> None:
        """Let an event of this column change it."""
        if isinstance(event, Token):
            self.text += event.text
            self.tokens.append(event)
        elif isinstance(event, SelfCheck):
            self.check = event
        elif isinstance(event, Shift):
            self.base_logprobs = event.base_logprobs
        else:
            self.done, self.text = event, event.text

    def plain(self) -> dict[str, Any]:
        """The column as an endpoint gives it."""
        return {
            "column": self.id,
            "name": self.name,
            "about": self.about,
            "text": self.text,
            "mean_logprob": self.mean_logprob,
            "turns": [turn.model_dump() for turn in self.turns],
            "tokens": [t.model_dump(exclude={"kind", "column", "index"}) for t in self.tokens],
            "base_logprobs": list(self.base_logprobs),
            "check": self.check.model_dump(exclude={"kind", "column"}) if self.check else None,
            "done": self.done.model_dump(exclude={"kind", "column"}) if self.done else None,
        }


@dataclass
class Board:
    """All columns of one comparison, in order. A blind one shows letters and nothing but text."""

    columns: dict[str, Column]
    prompt: str = ""
    asked: dict[str, Any] = field(default_factory=dict)  # base, seed, sampling
    waiting: str = "starting the engine"
    blind: bool = False

    @classmethod
    def of(
        cls, request: CompareRequest, names: Mapping[str, tuple[str, str]], blind: bool = False
    ) -> "Board":
        """Empty columns for a request: `names` gives each id its name and a line about it."""
        columns = {
            key: Column(key, *names[key], turns=request.histories.get(key, ()))
            for key in request.columns
        }
        asked = {
            "base": request.base,
            "seed": request.seed,
            "sampling": request.sampling.model_dump(mode="json"),
        }
        return cls(columns, request.messages[-1].content, asked, blind=blind)

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> "Board":
        """The board that `plain` gave; raises ExplorerError for anything else."""
        try:
            columns = {one["column"]: _column(one) for one in plain["columns"]}
            asked = {name: plain[name] for name in ("base", "seed", "sampling")}
            return cls(columns, str(plain["prompt"]), asked, waiting="")
        except (KeyError, TypeError, ValidationError, AttributeError) as error:
            raise ExplorerError("This is no comparison: ask one first.") from error

    def take(self, event: Any) -> None:
        """Let one of the engine's events change the board."""
        if isinstance(event, Progress):
            self.waiting = event.what
        elif hasattr(event, "column") and event.column in self.columns:
            self.waiting = ""
            self.columns[event.column].take(event)

    def plain(self) -> dict[str, Any]:
        """Everything as an endpoint gives it."""
        columns = [column.plain() for column in self.columns.values()]
        return {"prompt": self.prompt, **self.asked, "columns": columns}

    def histories(self) -> dict[str, list[dict[str, str]]]:
        """Every column's conversation with this question and its answer, for the next one."""
        return {
            key: [
                *(turn.model_dump() for turn in column.turns),
                {"role": "user", "content": self.prompt},
                {"role": "assistant", "content": column.text},
            ]
            for key, column in self.columns.items()
        }

    def shown_name(self, place: int) -> str:
        """A column's name, or its letter while the vote is open."""
        names: Sequence[str] = [column.name for column in self.columns.values()]
        return f"Answer {string.ascii_uppercase[place]}" if self.blind else names[place]


def _column(plain: Mapping[str, Any]) -> Column:
    key = str(plain["column"])
    tokens = [
        Token.model_validate({**token, "column": key, "index": index})
        for index, token in enumerate(plain["tokens"])
    ]
    check, done = plain["check"], plain["done"]
    return Column(
        id=key,
        name=str(plain["name"]),
        about=str(plain["about"]),
        text=str(plain["text"]),
        turns=tuple(Turn.model_validate(turn) for turn in plain["turns"]),
        tokens=tokens,
        base_logprobs=tuple(float(value) for value in plain["base_logprobs"]),
        check=SelfCheck.model_validate({**check, "column": key}) if check else None,
        done=ColumnDone.model_validate({**done, "column": key}) if done else None,
    )
