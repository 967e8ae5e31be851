"""`explorer compare`: a prompt or a task's held-out prompts, base and adapters side by side."""

import argparse
import sys
from pathlib import Path
from typing import Any

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.lab.engine import Engine
from explorer.lab.events import ColumnDone, Failed, Progress, SelfCheck, Shift, Token
from explorer.lab.own_adapters.store import keep_adapter
from explorer.lab.own_adapters.unpack import CONFIG, WEIGHTS
from explorer.lab.prompt_set import held_out_set, run_set
from explorer.lab.question import ask_runs

HELP = "ask the base and adapters the same thing, side by side"
SAMPLING = ("temperature", "top_p", "top_k", "repetition_penalty", "stop")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--prompt", metavar="TEXT")
    asked.add_argument("--task", metavar="ID", help="ask the held-out prompts of a task")
    parser.add_argument("--rows", type=int, default=20, help="prompts of the task (default 20)")
    parser.add_argument(
        "--run", action="append", default=[], metavar="RUN",
        help="a run or an adapter of one's own; RUN@0.5 at half strength, RUN+RUN for a sum",
    )  # fmt: skip
    parser.add_argument(
        "--adapter", action="append", default=[], type=Path, metavar="PATH",
        help="a peft folder or a zip to take in and compare",
    )  # fmt: skip
    parser.add_argument("--strength", type=float, default=1.0, help="of all adapters (default 1)")
    parser.add_argument("--base", metavar="ID", help="default: the base of the runs")
    parser.add_argument("--system", metavar="TEXT", help="default: as the runs were trained")
    parser.add_argument("--max-new-tokens", type=int, help="default: 64, or the task's own")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--top-k", type=int, default=0)
    parser.add_argument("--repetition-penalty", type=float, default=1.0)
    parser.add_argument("--stop", action="append", default=[], metavar="TEXT")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alternatives", type=int, default=0, help="top tokens told at each step")
    parser.add_argument("--device", default="auto")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Every column's answer with its speed and its self-check; or a whole set's scores."""
    own = [keep_adapter(_files(path), load_catalogue(), path.stem).id for path in args.adapter]
    runs = [*args.run, *own]
    settings = {name: getattr(args, name) for name in SAMPLING}
    if args.max_new_tokens is not None:
        settings["max_new_tokens"] = args.max_new_tokens
    common = {"base": args.base, "seed": args.seed, "strength": args.strength}
    if args.system is not None:
        common["system"] = args.system
    if args.task is not None:
        return _set(args, runs, settings, common)
    request = ask_runs(
        args.prompt, runs, sampling=settings, alternatives=args.alternatives, shifts=True, **common
    )
    columns: dict[str, dict[str, Any]] = {
        name: {"column": name, "token_ids": [], "logprobs": []} for name in request.columns
    }
    with Engine(args.device) as engine:
        for event in engine.generate(request):
            take(event, columns)
    return {
        "prompt": args.prompt,
        "base": request.base,
        "messages": [turn.model_dump() for turn in request.messages],
        "columns": list(columns.values()),
    }


def _set(
    args: argparse.Namespace, runs: list[str], settings: dict[str, Any], common: dict[str, Any]
) -> dict[str, Any]:
    prompts = held_out_set(args.task, args.rows)
    with Engine(args.device) as engine:
        for result in run_set(engine, prompts, runs, sampling=settings, **common):
            sys.stderr.write(f"{len(result.rows)} of {result.total} prompts\n")
    return result.plain()


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return [path / name for name in (CONFIG, WEIGHTS) if (path / name).is_file()] or [path]
    if not path.is_file():
        raise ExplorerError(f"There is no file or folder {str(path)!r:.80}.")
    return [path]


def take(event: Any, columns: dict[str, dict[str, Any]]) -> None:
    """Put an event where it belongs; raises ExplorerError for an error event."""
    if isinstance(event, Failed):
        raise ExplorerError(event.reason)
    if isinstance(event, Progress):
        sys.stderr.write(f"{event.what}\n")
    elif isinstance(event, Token):
        column = columns[event.column]
        column["token_ids"].append(event.token_id)
        column["logprobs"].append(event.logprob)
        if event.alternatives:
            column.setdefault("alternatives", []).append(event.alternatives)
    elif isinstance(event, Shift):
        columns[event.column]["base_logprobs"] = list(event.base_logprobs)
    elif isinstance(event, ColumnDone):
        columns[event.column] |= event.model_dump(exclude={"kind", "column"})
    elif isinstance(event, SelfCheck):
        columns[event.column]["self_check"] = event.model_dump(exclude={"kind", "column"})


def render(result: dict[str, Any]) -> str:
    """The answers one below the other, or the scores of a set."""
    if "matrix" in result:
        return "\n".join(_score(result, column) for column in result["columns"])
    parts = []
    for column in result["columns"]:
        check = column["self_check"]
        mark = "✓" if check["passed"] else "✗"
        parts.append(
            f"── {column['column']}  {column['tokens_per_second']:.1f} tokens/s  "
            f"{mark} KL {check['kl']:.3f}\n{column['text']}"
        )
    return "\n\n".join(parts)


def _score(result: dict[str, Any], column: dict[str, Any]) -> str:
    against = next(
        (p for p in result["matrix"] if (p["column"], p["other"]) == (column["column"], "base")),
        None,
    )
    pairs = [f"{against[k]} {k}" for k in ("wins", "ties", "losses")] if against else []
    beside = f"  against the base {', '.join(pairs)}" if pairs else ""
    interval = f"{column['low']:.2f} to {column['high']:.2f}"
    return f"{column['column']}  {result['metric']} {column['mean']:.3f} ({interval}){beside}"
