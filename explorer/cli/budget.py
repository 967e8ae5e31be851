"""`budget`: what a plan costs in parameters, memory, arithmetic, time and money."""

import argparse
from collections.abc import Iterator
from typing import Any

from explorer.budget.advice import Suggestion, suggestions
from explorer.budget.explain import explain, saved_tensors
from explorer.budget.export import as_csv, as_markdown
from explorer.budget.forecast import forecast
from explorer.budget.inverse import (
    largest_batch,
    largest_model,
    largest_rank,
    longest_sequence,
    smallest_device,
)
from explorer.budget.matrix import Row, model_rows, plan_rows
from explorer.budget.measured import Comparison, compare_all
from explorer.budget.plan import Plan
from explorer.budget.resolve import resolve
from explorer.budget.script import training_script
from explorer.catalogue.catalogue import Catalogue, load_catalogue
from explorer.cli._budget_text import budget_text, comparisons_text, matrix_text
from explorer.cli._plan_options import add_plan_options, plan_of

HELP = "forecast a plan's memory, time and cost: does it fit, and what to change if not"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add_plan_options(parser)
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--check", action="store_true", help="errors against published runs")
    shown.add_argument("--methods", action="store_true", help="every method by every device")
    shown.add_argument("--models", action="store_true", help="every model by every device")
    shown.add_argument("--largest", action="store_true", help="the most that fits the device")
    shown.add_argument("--script", action="store_true", help="the plan as a Python program")
    shown.add_argument("--csv", action="store_true", help="every number as CSV")
    shown.add_argument("--markdown", action="store_true", help="the main figures as Markdown")


def run(args: argparse.Namespace) -> dict[str, Any] | list[dict[str, Any]]:
    """The budget as nested plain values, or what was asked for instead."""
    catalogue = load_catalogue()
    if args.check:
        return [_comparison(found) for found in compare_all(catalogue)]
    plan = plan_of(args, catalogue)
    if args.methods or args.models:
        if args.models:
            rows = model_rows(plan, catalogue)
        else:
            rows = plan_rows(_with_each_method(args, catalogue), catalogue)
        return [_row(row, plan.devices) for row in rows]
    if args.largest:
        return _largest(plan, catalogue)
    if args.script:
        return {"text": training_script(resolve(plan, catalogue), catalogue)}
    budget = forecast(plan, catalogue)
    if args.csv or args.markdown:
        return {"text": (as_csv if args.csv else as_markdown)([budget])}
    return {
        "model": plan.model,
        "method": plan.method,
        **budget.to_dict(),
        "explain": [vars(told) for told in explain(budget)],
        "saved": saved_tensors(budget),
        "suggestions": [_suggestion(found) for found in suggestions(plan, catalogue)],
    }


def _with_each_method(args: argparse.Namespace, catalogue: Catalogue) -> Iterator[Plan]:
    """The plan of the command line with each method in turn: its own recipe, its own knobs."""
    for method in catalogue.methods:
        changes = {} if method == args.method else {"method": method, "set": []}
        yield plan_of(argparse.Namespace(**(vars(args) | changes)), catalogue)


def _largest(plan: Plan, catalogue: Catalogue) -> dict[str, Any]:
    return {
        "largest": {
            "batch": largest_batch(plan, catalogue),
            "length": longest_sequence(plan, catalogue),
            "rank": largest_rank(plan, catalogue),
            "model": largest_model(plan, catalogue),
            "smallest_device": smallest_device(plan, catalogue),
        }
    }


def _suggestion(found: Suggestion) -> dict[str, Any]:
    return {
        "changes": [{"what": change.what, "cost": change.cost} for change in found.changes],
        "total": found.total,
        "slower": found.slower,
        "values": {k: v for change in found.changes for k, v in change.values.items()},
    }


def _row(row: Row, devices: int) -> dict[str, Any]:
    return {
        "model": row.model,
        "method": row.method,
        "devices": devices,
        "trainable": row.trainable,
        "total": row.total,
        "verdicts": row.verdicts,
        "reason": row.reason,
    }


def _comparison(found: Comparison) -> dict[str, Any]:
    return {
        "document": found.document,
        "run": found.run.name,
        "what": found.run.what,
        "measured": found.run.bytes,
        "forecast": found.forecast,
        "error": found.error,
        "explained_error": found.explained_error,
        "speed_error": found.speed_error,
        "differs": [difference.why for difference in found.run.differs],
    }


def render(result: dict[str, Any] | list[dict[str, Any]]) -> str:
    """The result as text."""
    if isinstance(result, list):
        return comparisons_text(result) if "run" in result[0] else matrix_text(result)
    if "text" in result:
        return str(result["text"])
    if "largest" in result:
        return "\n".join(f"{name:<16} {value}" for name, value in result["largest"].items())
    return budget_text(result)
