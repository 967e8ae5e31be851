"""The budget command's results as text."""

from typing import Any

from explorer.budget.export import gib
from explorer.cli._table import text_table


def budget_text(result: dict[str, Any]) -> str:
    """A budget: its counts, each memory term with its arithmetic, time, notes and advice."""
    params, trainable, memory = result["params"], result["trainable"], result["memory"]
    device = result["device"]
    lines = [
        f"{result['model']}: {params['total']:,} parameters ({params['active']:,} a token)",
        *(f"  {name:<28} {numbers:>20,}" for name, numbers in params["by_component"].items()),
        f"{result['method']} trains {trainable['total']:,} ({trainable['percent']:.4f} %)",
        *(f"  {name:<28} {numbers:>20,}" for name, numbers in trainable["by_site"].items()),
        f"{device['name']}: {gib(memory['total'])} of {gib(device['usable'])}, {_verdict(result)}",
        *(
            f"  {told['term']:<16} {gib(told['bytes']):>12}  {told['formula']} = {told['filled']}"
            for told in result["explain"]
        ),
        *_time(result["time"]),
    ]
    lines += [f"- {note}" for note in (*memory["not_quantized"], *result["notes"])]
    for found in result["suggestions"]:
        what = " + ".join(change["what"] for change in found["changes"])
        slower = "" if found["slower"] is None else f", {found['slower']:.2f} times the time"
        lines.append(f"to make it fit: {what} ({gib(found['total'])}{slower})")
    return "\n".join(lines)


def _verdict(result: dict[str, Any]) -> str:
    return result["verdict"] if result["runs"] else "but it cannot be run"


def _time(time: dict[str, Any]) -> list[str]:
    if time["hours"] is None:
        return [f"no time: {time['note']}"]
    cost = "" if time["cost_usd"] is None else f", ${time['cost_usd']:,.2f}"
    speed = f"{time['tokens_per_second']:,.0f} tokens a second"
    if time["tokens_per_second_together"] > time["tokens_per_second"]:
        speed += f" for each sequence, {time['tokens_per_second_together']:,.0f} together"
    lines = [f"{speed} (bound by {time['bound']}), {_long(time['seconds'])}{cost}"]
    exchange = time["exchange"]
    if exchange is not None:
        lines.append(
            f"  {'exchange':<16} {gib(exchange['bytes']):>12}  {exchange['formula']} = "
            f"{exchange['filled']}; {exchange['seconds']:.3g} s a step, "
            f"{exchange['exposed_seconds']:.3g} s of them exposed: {exchange['note']}"
        )
    return lines


def _long(seconds: float) -> str:
    return f"{seconds / 3600:,.2f} hours" if seconds >= 360 else f"{seconds:,.3g} seconds"


def comparisons_text(rows: list[dict[str, Any]]) -> str:
    """Forecasts beside published runs."""
    columns = ("document", "run", "what", "measured", "forecast", "error", "explained", "speed")
    return text_table(
        columns,
        [
            (
                row["document"],
                row["run"],
                row["what"],
                gib(row["measured"]),
                gib(row["forecast"]),
                *(_percent(row[key]) for key in ("error", "explained_error", "speed_error")),
            )
            for row in rows
        ],
    )


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:+.1f} %"


def matrix_text(rows: list[dict[str, Any]]) -> str:
    """Models or methods by devices, and below them why some cannot be."""
    marks = {"fits": "yes", "tight": "tight", "does not fit": "-"}
    devices = next((row["verdicts"] for row in rows if row["verdicts"]), {})
    lines = [
        (
            row["model"],
            row["method"],
            "" if row["total"] is None else gib(row["total"]),
            *(marks.get(row["verdicts"].get(device, ""), "") for device in devices),
        )
        for row in rows
    ]
    table = text_table(("model", "method", "memory", *devices), lines)
    whys = [f"- {row['model']}, {row['method']}: {row['reason']}" for row in rows if row["reason"]]
    count = rows[0]["devices"]
    whole = [f"on each of {count:,} devices"] if count > 1 else []
    return "\n".join([table, *whole, *whys])
