"""A budget, or several side by side, as JSON, CSV or a Markdown table."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from explorer.budget.explain import explain
from explorer.budget.forecast import Budget

MOST_SIDE_BY_SIDE = 4


def as_json(budgets: Sequence[Budget]) -> str:
    """The budgets' nested values; one budget alone is not wrapped in a list."""
    values: Any = [budget.to_dict() for budget in budgets]
    return json.dumps(values[0] if len(values) == 1 else values, indent=2)


def as_csv(budgets: Sequence[Budget]) -> str:
    """A line for every number, a column for every budget."""
    columns = [flat(budget.to_dict()) for budget in budgets]
    keys = list(dict.fromkeys(key for column in columns for key in column))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["key", *(name_of(budget) for budget in budgets)])
    for key in keys:
        writer.writerow([key, *(_safe(column.get(key, "")) for column in columns)])
    return text.getvalue()


def as_markdown(budgets: Sequence[Budget]) -> str:
    """A table of the main figures, and the arithmetic of the first budget's memory under it."""
    rows = [summary(budget) for budget in budgets]
    lines = [f"| | {' | '.join(_cell(name_of(budget)) for budget in budgets)} |"]
    lines.append("|---|" + "---:|" * len(budgets))
    lines += [f"| {key} | {' | '.join(_cell(row[key]) for row in rows)} |" for key in rows[0]]
    lines += ["", "| term | bytes | how |", "|---|---:|---|"]
    for told in explain(budgets[0]):
        lines.append(
            f"| {told.term} | {told.bytes:,} | {_cell(f'{told.formula} = {told.filled}')} |"
        )
    lines += ["", *(f"- {note}" for note in budgets[0].notes)]
    return "\n".join(lines).rstrip() + "\n"


def summary(budget: Budget) -> dict[str, str]:
    """The figures that people compare, worded."""
    time = budget.time
    return {
        "model": budget.plan.model,
        "method": budget.resolved.method.name,
        "device": budget.resolved.hardware.name.value or budget.resolved.hardware.id,
        "parameters": f"{budget.resolved.params.total:,}",
        "trained": f"{budget.resolved.trainable.total:,}",
        "memory": gib(budget.memory.total),
        "verdict": "cannot be run" if budget.obstacles else budget.fit.verdict,
        "tokens a second": _number(time.tokens_per_second),
        "hours": _number(time.hours),
        "cost in US dollars": _number(time.cost_usd),
    }


def name_of(budget: Budget) -> str:
    """What to call a budget beside others."""
    plan = budget.plan
    held = "" if plan.quantization == "none" else f" in {plan.quantization}"
    return f"{plan.model}{held}, {plan.method}"


def gib(size: float) -> str:
    """Bytes in GiB with two decimals; what would have few digits of them in MiB or bytes."""
    if abs(size) >= 0.1 * 2**30:
        return f"{size / 2**30:,.2f} GiB"
    return f"{size / 2**20:,.2f} MiB" if abs(size) >= 2**14 else f"{size:,.0f} B"


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values with dotted keys; lists are joined with spaces."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            found |= flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            found[name] = " ".join(map(str, value))
        else:
            found[name] = "" if value is None else value
    return found


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _safe(value: Any) -> Any:
    """Text that no spreadsheet takes for a formula."""
    risky = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if risky else value
