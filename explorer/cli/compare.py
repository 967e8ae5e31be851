"""`explorer compare`: one prompt, the base and any number of runs, answers side by side."""

import argparse
import sys
from typing import Any

from explorer.catalogue.errors import ExplorerError
from explorer.lab.engine import Engine
from explorer.lab.events import ColumnDone, Failed, Progress, SelfCheck, Token
from explorer.lab.question import ask_runs

HELP = "ask the base and finished runs the same thing, side by side"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--prompt", required=True, metavar="TEXT")
    parser.add_argument("--run", action="append", default=[], metavar="RUN")
    parser.add_argument("--base", metavar="ID", help="default: the base of the runs")
    parser.add_argument("--system", metavar="TEXT", help="default: as the runs were trained")
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--top-k", type=int, default=0)
    parser.add_argument("--repetition-penalty", type=float, default=1.0)
    parser.add_argument("--stop", action="append", default=[], metavar="TEXT")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Every column's answer with its speed and its self-check."""
    names = ("max_new_tokens", "temperature", "top_p", "top_k", "repetition_penalty", "stop")
    request = ask_runs(
        args.prompt,
        args.run,
        base=args.base,
        system=args.system,
        seed=args.seed,
        sampling={name: getattr(args, name) for name in names},
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


def take(event: Any, columns: dict[str, dict[str, Any]]) -> None:
    """Put an event where it belongs; raises ExplorerError for an error event."""
    if isinstance(event, Failed):
        raise ExplorerError(event.reason)
    if isinstance(event, Progress):
        sys.stderr.write(f"{event.what}\n")
    elif isinstance(event, Token):
        columns[event.column]["token_ids"].append(event.token_id)
        columns[event.column]["logprobs"].append(event.logprob)
    elif isinstance(event, ColumnDone):
        columns[event.column] |= event.model_dump(exclude={"kind", "column"})
    elif isinstance(event, SelfCheck):
        columns[event.column]["self_check"] = event.model_dump(exclude={"kind", "column"})


def render(result: dict[str, Any]) -> str:
    """The answers one below the other."""
    parts = []
    for column in result["columns"]:
        check = column["self_check"]
        mark = "✓" if check["passed"] else "✗"
        parts.append(
            f"── {column['column']}  {column['tokens_per_second']:.1f} tokens/s  "
            f"{mark} KL {check['kl']:.3f}\n{column['text']}"
        )
    return "\n\n".join(parts)
