"""Many prompts through all columns: asking them, the score table, who beat whom."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from explorer.catalogue.errors import ExplorerError, unknown
from explorer.lab.datasets import Row
from explorer.lab.metrics import SCORERS
from explorer.lab.prompt_set import (
    MAX_ROWS,
    PromptSet,
    SetResult,
    held_out_set,
    run_set,
    uploaded_set,
)
from explorer.lab.words import check
from explorer.ui.compare.checks import short_check
from explorer.ui.compare_actions import CompareActions
from explorer.ui.errors import told
from explorer.ui.markup import element, joined

KINDS = {"csv": "CSV", "json": "JSON"}
EXPLANATION = (
    "Every prompt goes through the base and all adapters chosen above. What comes: each column's "
    "mean score, wins, ties and losses of every pair, and a table of all answers, to sort and keep."
)


class SetActions:
    """Prompt sets over the comparison's actions."""

    def __init__(self, actions: CompareActions) -> None:
        self.actions = actions

    @told
    def compare_set(
        self,
        runs: list[str],
        task: str = "",
        prompts: list[dict[str, str]] | None = None,
        metric: str = "exact-match",
        limit: int = 20,
        strength: float = 1.0,
    ) -> dict[str, Any]:
        """Ask base and adapters a task's held-out prompts, or prompts of your own, and score them.

        Args:
            runs: columns as for `compare`; the base is always asked too.
            task: id of a task, whose held-out rows are asked; or
            prompts: rows of your own: prompt, and completion where an answer is expected.
            metric: how own rows are scored: exact-match, field-f1, json-f1, accuracy, rouge-l.
            limit: number of prompts at most.
            strength: multiplies every adapter's strength.

        Returns:
            name, metric, prompts, columns (mean, low, high, and check at the first prompt),
            matrix (wins, ties, losses), rows.
        """
        chosen = own_set(prompts, metric, limit) if prompts else held_out_set(task, limit)
        *_, result = self.run(chosen, runs, strength=strength)
        return result.plain()

    def run(self, prompts: PromptSet, runs: Sequence[str], **options: Any) -> Iterator[SetResult]:
        """The result again after every prompt."""
        yield from run_set(self.actions.engine, prompts, runs, **options)

    def names(self, columns: Sequence[str]) -> dict[str, str]:
        """Every column's name."""
        return {c: "Base" if c == "base" else self.actions.named(c)[0] for c in columns}


def own_set(prompts: Sequence[dict[str, str]], metric: str, limit: int) -> PromptSet:
    """Rows that a caller gives; they are scored when every one says what is expected."""
    if metric not in SCORERS:
        raise unknown("metric", metric, SCORERS)
    if not 1 <= limit <= MAX_ROWS:
        raise ExplorerError(f"limit = {limit}: it takes a whole number from 1 to {MAX_ROWS}.")
    rows = [
        check(Row, {"prompt": p.get("prompt", ""), "completion": p.get("completion") or "-"})
        for p in prompts[:limit]
    ]
    scored = all(p.get("completion") for p in prompts)
    return PromptSet("own prompts", tuple(rows), metric if scored else None)


def chosen_set(task: str, upload: str | None, metric: str, limit: int) -> PromptSet:
    """The set that the form names: an uploaded file before a task."""
    if upload:
        path = Path(upload)
        return uploaded_set(path, path.name, metric, int(limit))
    return held_out_set(task, int(limit))


def summary(result: SetResult, names: dict[str, str]) -> Markup:
    """How far it is, every column's mean, and wins, ties and losses of each pair."""
    count = f"{len(result.rows)} of {result.total} prompts"
    head = element("p", f"{result.name}: {count}", class_="race-headline")
    if result.metric is None:
        note = element("p", "Nothing is expected of these prompts, so none is scored.")
        return joined([head, note, _means(result, names)])
    return joined([head, _means(result, names), _matrix(result, names)])


def _means(result: SetResult, names: dict[str, str]) -> Markup:
    """A row a column: its mean with the interval where there are scores, and its self-check."""
    heads: list[tuple[str, str | None]] = [("column", None)]
    if result.metric is not None:
        heads += [(f"mean {result.metric}", "num"), ("95 % interval", "num")]
    heads.append(("checked at the first prompt", None))
    rows = []
    for column in result.columns:
        cells = [element("th", names[column], scope="row")]
        if result.metric is not None:
            mean, low, high = result.mean(column) or (0.0, 0.0, 1.0)
            cells.append(element("td", f"{mean:.3f}", class_="num"))
            cells.append(element("td", f"{low:.2f} to {high:.2f}", class_="num"))
        rows.append(element("tr", *cells, element("td", short_check(result.checks.get(column)))))
    head = element("tr", *(element("th", words, class_=kind) for words, kind in heads))
    table = element("table", element("thead", head), element("tbody", *rows), class_="plain")
    return element("div", table, class_="scroll set-means")


def _matrix(result: SetResult, names: dict[str, str]) -> Markup:
    """Row against column: on how many prompts it scored higher, the same, lower."""
    heads = [element("th", "against", scope="col")]
    heads += [element("th", names[other], scope="col", class_="num") for other in result.columns]
    rows = []
    for one in result.columns:
        cells = [element("th", names[one], scope="row")]
        for other in result.columns:
            wins, ties, losses = result.against(one, other)
            words = "–" if one == other else f"{wins} / {ties} / {losses}"
            better = "won" if wins > losses else "lost" if losses > wins else ""
            cells.append(element("td", words, class_=f"num {better}".strip()))
        rows.append(element("tr", *cells))
    table = element(
        "table",
        element("thead", element("tr", *heads)),
        element("tbody", *rows),
        class_="plain",
    )
    title = element("h3", "Wins, ties and losses, prompt by prompt (row against column)")
    return joined([title, element("div", table, class_="scroll set-means", tabindex="0")])


def widths(result: SetResult) -> list[str]:
    """How wide each column of `table` is: answers have room, and no heading is broken."""
    scored = result.metric is not None
    answers = ["260px", "120px"] if scored else ["300px"]
    return ["56px", "260px", *(["200px"] if scored else []), *answers * len(result.columns)]


def table(result: SetResult, names: dict[str, str]) -> dict[str, Any]:
    """A row a prompt for a table that can be sorted."""
    scored = result.metric is not None
    headers = ["#", "prompt", *(["expected"] if scored else [])]
    for column in result.columns:
        headers += [names[column], *([f"{names[column]}: score"] if scored else [])]
    rows = []
    for number, row in enumerate(result.rows, start=1):
        cells: list[Any] = [number, row.prompt, *([row.expected] if scored else [])]
        for column in result.columns:
            cells.append(row.answers.get(column, ""))
            if scored:
                cells.append(round(row.scores.get(column, 0.0), 3))
        rows.append(cells)
    return {"headers": headers, "data": rows}


def export_set(kind: str, text: str) -> tuple[str, str]:
    """The result as a file's text, and its name; nothing without a result."""
    if not text:
        return "", ""
    if kind == "json":
        return text, "prompt-set.json"
    found = json.loads(text)
    columns = [one["column"] for one in found["columns"]]
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(["prompt", "expected", *columns, *(f"score {column}" for column in columns)])
    for row in found["rows"]:
        answers = [row["answers"].get(column, "") for column in columns]
        scores = [row["scores"].get(column, "") for column in columns]
        cells = [row["prompt"], row["expected"], *answers, *scores]
        writer.writerow([_no_formula(cell) for cell in cells])
    return written.getvalue(), "prompt-set.csv"


def _no_formula(cell: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets a quote in front."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" and cell else cell
