"""Answers side by side: what each column has said so far, and how it is shown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from explorer.lab.events import ColumnDone, Progress, SelfCheck, Token
from explorer.lab.request import BASE_COLUMN
from explorer.ui.markup import element, joined

STOPPED = {"end": "ended its turn", "stop": "met a stop text", "length": "reached the limit"}


@dataclass
class Column:
    """One column as it stands."""

    id: str
    name: str
    about: str = ""
    text: str = ""
    logprobs: list[float] = field(default_factory=list)
    check: SelfCheck | None = None
    done: ColumnDone | None = None

    def take(self, event: Token | SelfCheck | ColumnDone) -> None:
        """Let an event of this column change it."""
        if isinstance(event, Token):
            self.text += event.text
            self.logprobs.append(event.logprob)
        elif isinstance(event, SelfCheck):
            self.check = event
        else:
            self.done, self.text = event, event.text

    def plain(self) -> dict[str, Any]:
        """The column as an endpoint gives it."""
        return {
            "column": self.id,
            "name": self.name,
            "text": self.text,
            "mean_logprob": mean(self.logprobs),
            "check": self.check.model_dump() if self.check else None,
            "done": self.done.model_dump() if self.done else None,
        }


@dataclass
class Board:
    """All columns of one comparison, in order."""

    columns: dict[str, Column]
    waiting: str = "starting"

    @classmethod
    def of(cls, names: Mapping[str, tuple[str, str]]) -> "Board":
        """Empty columns: `names` gives each id its name and a line about it."""
        return cls({key: Column(key, name, about) for key, (name, about) in names.items()})

    def take(self, event: Any) -> None:
        """Let one of the engine's events change the board."""
        if isinstance(event, Progress):
            self.waiting = event.what
        elif isinstance(event, Token | SelfCheck | ColumnDone) and event.column in self.columns:
            self.waiting = ""
            self.columns[event.column].take(event)

    def html(self) -> Markup:
        """The columns beside each other."""
        if self.waiting:
            waiting = element("p", f"{self.waiting} …", class_="faint", role="status")
        else:
            waiting = None
        cells = (_column(column) for column in self.columns.values())
        return joined([waiting, element("div", *cells, class_="answers")])


def mean(values: Iterable[float]) -> float | None:
    """The mean, or None of nothing."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else None


def _column(column: Column) -> Markup:
    kind = "answer base" if column.id == BASE_COLUMN else "answer"
    head = element(
        "header",
        element("h3", column.name),
        element("p", column.about, class_="faint") if column.about else None,
        _mark(column),
    )
    cursor = None if column.done else element("span", class_="cursor", aria_hidden="true")
    said = element("div", column.text, cursor, class_="said", tabindex="0", aria_label="answer")
    return element("article", head, said, _foot(column), class_=kind)


def _mark(column: Column) -> Markup:
    check = column.check
    if check is None:
        return element("p", "not checked yet", class_="check faint")
    if column.id == BASE_COLUMN:
        words = "equals the untouched model" if check.passed else "differs from the untouched model"
        numbers = f"largest difference of a logit: {check.max_difference:.2g}"
    else:
        words = "differs from the base" if check.passed else "does not differ from the base"
        numbers = (
            f"first token: KL {check.kl:.3g} nats, largest difference of a logit "
            f"{check.max_difference:.3g}"
        )
    sign = element("span", "✓" if check.passed else "✗", class_="sign", aria_hidden="true")
    title = f"{numbers}. {check.note}".strip()
    class_ = "check passed" if check.passed else "check failed"
    return element(
        "p",
        sign,
        f" {words}",
        element("span", numbers, class_="numbers"),
        class_=class_,
        title=title,
    )


def _foot(column: Column) -> Markup:
    done = column.done
    if done is None:
        count = len(column.logprobs)
        return element("footer", f"{count} tokens" if count else "waiting", class_="faint")
    average = mean(column.logprobs)
    parts = [
        f"{done.tokens_per_second:.1f} tokens/s",
        f"first after {done.time_to_first_token:.2f} s",
        f"{done.tokens} tokens",
        None if average is None else f"mean log-probability {average:.2f}",
        STOPPED[done.stop_reason],
    ]
    return element("footer", joined(filter(None, parts), " · "), class_="faint")
