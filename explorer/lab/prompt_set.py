"""Many prompts through all columns: a task's held-out rows or an uploaded list, scored."""

import itertools
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from explorer.catalogue.errors import ExplorerError, unknown
from explorer.catalogue.task import Metric
from explorer.lab.datasets import Row, find_task, task_rows
from explorer.lab.engine import Engine
from explorer.lab.events import ColumnDone, Failed, SelfCheck
from explorer.lab.metrics import SCORERS, interval, score
from explorer.lab.own_data.upload import read_upload
from explorer.lab.question import ask_runs

MAX_ROWS = 200


@dataclass(frozen=True)
class PromptSet:
    """Prompts with the answers that are expected, if any are. `metric` scores against those."""

    name: str
    rows: tuple[Row, ...]
    metric: Metric | None = None
    system: str | None = None
    max_new_tokens: int = 48


@dataclass(frozen=True)
class Answered:
    """One prompt with every column's answer; no scores where nothing is expected."""

    prompt: str
    expected: str
    answers: dict[str, str]
    scores: dict[str, float]


@dataclass
class SetResult:
    """What all columns made of the prompts so far, of which there are `total`.

    `checks` are the columns' self-checks at the first prompt.
    """

    name: str
    metric: Metric | None
    columns: tuple[str, ...]
    total: int
    rows: list[Answered] = field(default_factory=list)
    checks: dict[str, SelfCheck] = field(default_factory=dict)

    def scores(self, column: str) -> list[float]:
        """A column's scores, a prompt each."""
        return [row.scores[column] for row in self.rows if column in row.scores]

    def mean(self, column: str) -> tuple[float, float, float] | None:
        """A column's mean score with its 95 % interval; None without scores."""
        scores = self.scores(column)
        return (statistics.fmean(scores), *interval(scores)) if scores else None

    def against(self, column: str, other: str) -> tuple[int, int, int]:
        """On how many prompts a column scored higher than the other, the same, and lower."""
        pairs = list(zip(self.scores(column), self.scores(other), strict=True))
        higher = sum(mine > its for mine, its in pairs)
        same = sum(mine == its for mine, its in pairs)
        return higher, same, len(pairs) - higher - same

    def plain(self) -> dict[str, Any]:
        """Everything as plain values."""
        means = {column: self.mean(column) for column in self.columns}
        return {
            "name": self.name,
            "metric": self.metric,
            "prompts": len(self.rows),
            "of": self.total,
            "columns": [
                {"column": column}
                | dict(zip(("mean", "low", "high"), means[column] or (None,) * 3, strict=True))
                | {"check": self._check(column)}
                for column in self.columns
            ],
            "matrix": [
                {"column": one, "other": other}
                | dict(zip(("wins", "ties", "losses"), self.against(one, other), strict=True))
                for one, other in itertools.permutations(self.columns, 2)
            ],
            "rows": [
                {
                    "prompt": row.prompt,
                    "expected": row.expected,
                    "answers": row.answers,
                    "scores": row.scores,
                }
                for row in self.rows
            ],
        }

    def _check(self, column: str) -> dict[str, Any] | None:
        check = self.checks.get(column)
        return check.model_dump(exclude={"kind", "column"}) if check else None


def held_out_set(task: str, limit: int) -> PromptSet:
    """The first `limit` held-out rows of a task, asked as its runs are."""
    found = find_task(task)
    rows = tuple(row for row in task_rows(task, "heldout") if row.prompt)
    if not rows:
        raise ExplorerError(f"{found.name} is plain text: it has no prompts to ask.")
    limited = _limited(rows, limit)
    return PromptSet(found.name, limited, found.metric, found.system, found.max_new_tokens)


def uploaded_set(path: Path, name: str, metric: str, limit: int) -> PromptSet:
    """An uploaded list: rows with expected answers in any form that training takes, or plain text.

    Of plain text every line (or record) is a prompt, and nothing is scored.
    """
    if metric not in SCORERS:
        raise unknown("metric", metric, SCORERS)
    upload = read_upload(path, name)
    if upload.faulty:
        raise ExplorerError(f"{name}, {upload.problems[0]}.")
    if upload.form == "text":
        rows = tuple(Row(prompt=row.completion, completion="-") for row in upload.rows)
        return PromptSet(name, _limited(rows, limit))
    return PromptSet(name, _limited(upload.rows, limit), metric)


def run_set(
    engine: Engine, prompts: PromptSet, runs: Sequence[str], **options: Any
) -> Iterator[SetResult]:
    """Ask every prompt in all columns; yields the result again after each.

    `options` go to `ask_runs`. Closing the iterator stops the work. Raises ExplorerError when the
    columns cannot be asked.
    """
    limits = {"max_new_tokens": prompts.max_new_tokens} | options.pop("sampling", {})
    result: SetResult | None = None
    for number, row in enumerate(prompts.rows, start=1):
        history = [message.model_dump() for message in row.history]
        request = ask_runs(
            row.prompt,
            runs,
            sampling=limits,
            system=options.get("system", prompts.system),
            self_check=number == 1,
            **{name: value for name, value in options.items() if name != "system"},
        )
        if history:
            told = dict.fromkeys(request.columns, tuple(history))
            request = type(request).model_validate(request.model_dump() | {"histories": told})
        if result is None:
            total = len(prompts.rows)
            result = SetResult(prompts.name, prompts.metric, request.columns, total)
        answers: dict[str, str] = {}
        for event in engine.generate(request):
            if isinstance(event, Failed):
                raise ExplorerError(f"Prompt {number}: {event.reason}")
            if isinstance(event, ColumnDone):
                answers[event.column] = event.text
            elif isinstance(event, SelfCheck):
                result.checks[event.column] = event
        result.rows.append(_answered(row, prompts.metric, answers))
        yield result


def _answered(row: Row, metric: Metric | None, answers: dict[str, str]) -> Answered:
    if metric is None:
        return Answered(row.prompt, "", answers, {})
    scores = {column: score(metric, row.completion, text) for column, text in answers.items()}
    return Answered(row.prompt, row.completion, answers, scores)


def _limited(rows: tuple[Row, ...], limit: int) -> tuple[Row, ...]:
    if not 1 <= limit <= MAX_ROWS:
        raise ExplorerError(f"prompts = {limit}: it takes a whole number from 1 to {MAX_ROWS}.")
    return rows[:limit]
