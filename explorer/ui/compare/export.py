"""A comparison as text to keep: Markdown and JSON. Answers stay text in both."""

import json
import re
from collections.abc import Mapping
from typing import Any

from explorer.catalogue.errors import unknown
from explorer.ui.compare.board import Board, Column

KINDS = {"md": "Markdown", "json": "JSON"}


def export(kind: str, plain: Mapping[str, Any]) -> str:
    """The comparison in this format; raises ExplorerError where format or comparison is none."""
    if kind not in KINDS:
        raise unknown("format", kind, KINDS)
    board = Board.read(plain)
    if kind == "json":
        return json.dumps(board.plain(), indent=1, ensure_ascii=False)
    return _markdown(board)


def _markdown(board: Board) -> str:
    parts = ["# Comparison", "", f"Base: {_line(str(board.asked['base']))}", ""]
    parts += ["Prompt:", "", _fenced(board.prompt), ""]
    for column in board.columns.values():
        parts += [f"## {_line(column.name)}", ""]
        parts += [_line(column.about), ""] if column.about else []
        parts += [_fenced(column.text), "", _numbers(column), ""]
    sampling = ", ".join(f"{name} {value}" for name, value in board.asked["sampling"].items())
    parts += [f"Seed {board.asked['seed']}, {_line(sampling)}", ""]
    return "\n".join(parts)


def _numbers(column: Column) -> str:
    told = []
    if column.done:
        told += [
            f"{column.done.tokens} tokens",
            f"{column.done.tokens_per_second:.1f} tokens/s",
            f"first after {column.done.time_to_first_token:.2f} s",
            f"stopped by {column.done.stop_reason}",
        ]
    if column.mean_logprob is not None:
        told.append(f"{round(column.mean_logprob, 3) + 0.0:.3f} nats a token")
    if column.check:
        told.append(f"self-check {'passed' if column.check.passed else 'FAILED'}")
        told.append(f"KL {column.check.kl:.4g}")
    return ", ".join(told)


def _fenced(text: str) -> str:
    """A block that nothing in the text can close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _line(text: str) -> str:
    """Text as one line in which nothing has a meaning for Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|$~&])", r"\\\1", " ".join(text.split()))
