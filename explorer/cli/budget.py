"""`budget`: what a plan costs in parameters, memory, arithmetic, time and money."""

import argparse
from pathlib import Path
from typing import Any

from explorer.budget.advice import Suggestion, suggestions
from explorer.budget.explain import explain, saved_tensors
from explorer.budget.export import as_csv, as_markdown, gib
from explorer.budget.forecast import forecast
from explorer.budget.inverse import (
    largest_batch,
    largest_model,
    largest_rank,
    longest_sequence,
    smallest_device,
)
from explorer.budget.matrix import Row, method_rows, model_rows
from explorer.budget.measured import Comparison, compare_all
from explorer.budget.plan import OPTIMIZERS, QUANTIZATIONS, SHARDINGS, Plan, make_plan
from explorer.budget.resolve import recipe_values, resolve
from explorer.budget.script import training_script
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.catalogue import Catalogue, load_catalogue
from explorer.catalogue.config import LONGEST_CONFIG, architecture_from_text
from explorer.catalogue.errors import ExplorerError
from explorer.cli._table import text_table

HELP = "forecast a plan's memory, time and cost: does it fit, and what to change if not"

# Options that are settings of the plan: flag, setting, what argparse needs, help.
NUMBERS = (
    ("--batch", "batch", int, "sequences in a micro-batch (1)"),
    ("--seq", "length", int, "tokens of a sequence, or of the context in inference (2048)"),
    ("--accumulation", "accumulation", int, "micro-batches between two updates (1)"),
    ("--block-size", "quantization_block", int, "numbers that share a 4-bit scale (64)"),
    ("--loss-positions", "loss_positions", int, "positions a sequence with logits (all)"),
    ("--loss-chunk", "loss_chunk", int, "positions at a time in a fused loss (0: not fused)"),
    ("--tokens", "tokens", int, "tokens seen in the whole training (10,000,000)"),
    ("--prompt", "prompt", int, "tokens of the prompt, in inference (half of --seq)"),
    ("--devices", "devices", int, "how many devices (1)"),
    ("--efficiency", "efficiency", float, "share of the device's rate that is reached"),
    ("--price", "price_per_hour", float, "US dollars an hour a device"),
    ("--grid", "grid_intensity", float, "kg CO2e a kWh (0.445)"),
)
WORDS = (
    ("--dtype", "parameter_dtype", "of weights that are not quantized (bfloat16)"),
    ("--compute-dtype", "compute_dtype", "that 4-bit linears multiply in (bfloat16)"),
    ("--adapter-dtype", "adapter_dtype", "of the adapter's weights (float32)"),
    ("--attention", "attention", "sdpa or eager"),
    ("--kv-dtype", "kv_dtype", "of the cache (bfloat16)"),
    ("--hardware", "hardware", "id of a device (a100-80gb)"),
)
SWITCHES = (
    ("--double-quant", "double_quantization", "quantize the 4-bit scales as well"),
    ("--checkpointing", "checkpointing", "keep only the layers' inputs"),
    ("--master-weights", "master_weights", "float32 copies of what trains"),
    ("--padded", "padded", "sequences padded to one length, with a mask"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="id of a model of the catalogue")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a config.json or its folder")
    parser.add_argument("--method", default="lora", metavar="ID", help="how to fine-tune (lora)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KNOB=VALUE", help="a knob of the method"
    )
    parser.add_argument("--inference", action="store_true", help="run the model, do not train it")
    parser.add_argument("--quant", metavar="KIND", help=", ".join(QUANTIZATIONS[:4]) + ", gguf-…")
    parser.add_argument("--optimizer", metavar="NAME", help=", ".join(OPTIMIZERS))
    parser.add_argument("--sharding", metavar="KIND", help=", ".join(SHARDINGS))
    parser.add_argument("--skip", metavar="MODULES", help="linears not to quantize (lm_head)")
    for flag, name, kind, words in NUMBERS:
        parser.add_argument(flag, dest=name, type=kind, metavar="N", help=words)
    for flag, name, words in WORDS:
        parser.add_argument(flag, dest=name, metavar="NAME", help=words)
    for flag, name, words in SWITCHES:
        parser.add_argument(flag, dest=name, action="store_true", help=words)
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
        rows = method_rows(plan, catalogue) if args.methods else model_rows(plan, catalogue)
        return [_row(row) for row in rows]
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


def plan_of(args: argparse.Namespace, catalogue: Catalogue) -> Plan:
    """The plan that the command line describes."""
    name, arch = chosen_architecture(args.model, args.config, catalogue)
    values: dict[str, Any] = {} if args.quant else recipe_values(catalogue.method(args.method))
    for _, setting, *_ in (*NUMBERS, *WORDS, *SWITCHES):
        given = getattr(args, setting)
        if given not in (None, False):
            values[setting] = given
    if args.quant:
        values["quantization"] = alias(args.quant, QUANTIZATIONS)
    if args.optimizer:
        values["optimizer"] = alias(args.optimizer, OPTIMIZERS)
    if args.sharding:
        values["sharding"] = alias(args.sharding, SHARDINGS)
    if args.skip:
        values["skipped_modules"] = tuple(part for part in args.skip.split(",") if part)
    mode = "inference" if args.inference else "training"
    knobs = assignments(args.set)
    return make_plan(
        model=name, architecture=arch, method=args.method, knobs=knobs, mode=mode, **values
    )


def alias(given: str, known: tuple[str, ...]) -> str:
    """The known name that is meant, written with or without its hyphens and prefix."""

    def bare(name: str) -> str:
        return "".join(c for c in name.lower() if c.isalnum()).removeprefix("gguf")

    return next((name for name in known if bare(name) == bare(given)), given)


def chosen_architecture(
    model: str | None, config: Path | None, catalogue: Catalogue
) -> tuple[str, Architecture | None]:
    """What the command line names: an id of the catalogue, or a config with its shape."""
    if (model is None) == (config is None):
        raise ExplorerError("Give either a MODEL of the catalogue or --config FILE.")
    if config is not None:
        return config.name, architecture_from_text(_read(config))
    return catalogue.model(str(model)).id, None


def _read(path: Path) -> bytes:
    path = path / "config.json" if path.is_dir() else path
    try:
        with path.open("rb") as file:
            return file.read(LONGEST_CONFIG + 1)
    except OSError as error:
        raise ExplorerError(f"{path} cannot be read: {error.strerror}.") from error


def assignments(pairs: list[str]) -> dict[str, str]:
    """`--set` options as a dictionary; a later one of the same name wins."""
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise ExplorerError(f"--set {pair!r}: write it as KNOB=VALUE, for example --set r=16.")
        values[name.strip()] = value
    return values


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


def _row(row: Row) -> dict[str, Any]:
    return {
        "model": row.model,
        "method": row.method,
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
        return _comparisons(result) if "run" in result[0] else _matrix(result)
    if "text" in result:
        return str(result["text"])
    if "largest" in result:
        return "\n".join(f"{name:<16} {value}" for name, value in result["largest"].items())
    return _budget(result)


def _budget(result: dict[str, Any]) -> str:
    params, trainable, memory = result["params"], result["trainable"], result["memory"]
    time, device = result["time"], result["device"]
    lines = [
        f"{result['model']}: {params['total']:,} parameters ({params['active']:,} a token)",
        *(f"  {name:<28} {numbers:>20,}" for name, numbers in params["by_component"].items()),
        f"{result['method']} trains {trainable['total']:,} ({trainable['percent']:.4f} %)",
        *(f"  {name:<28} {numbers:>20,}" for name, numbers in trainable["by_site"].items()),
        f"{device['name']}: {gib(memory['total'])} of {gib(device['usable'])}, {result['verdict']}",
        *(
            f"  {told['term']:<16} {gib(told['bytes']):>12}  {told['formula']} = {told['filled']}"
            for told in result["explain"]
        ),
    ]
    if time["hours"] is not None:
        cost = "" if time["cost_usd"] is None else f", ${time['cost_usd']:,.2f}"
        lines.append(
            f"{time['tokens_per_second']:,.0f} tokens a second (bound by {time['bound']}), "
            f"{time['hours']:,.2f} hours{cost}"
        )
    lines += [f"- {note}" for note in (*memory["not_quantized"], *result["notes"])]
    for found in result["suggestions"]:
        what = " + ".join(change["what"] for change in found["changes"])
        slower = "" if found["slower"] is None else f", {found['slower']:.2f} times the time"
        lines.append(f"to make it fit: {what} ({gib(found['total'])}{slower})")
    return "\n".join(lines)


def _comparisons(rows: list[dict[str, Any]]) -> str:
    def percent(value: float | None) -> str:
        return "" if value is None else f"{value:+.1%}"

    return text_table(
        ("document", "run", "what", "measured", "forecast", "error", "explained", "speed"),
        [
            (
                row["document"],
                row["run"],
                row["what"],
                gib(row["measured"]),
                gib(row["forecast"]),
                percent(row["error"]),
                percent(row["explained_error"]),
                percent(row["speed_error"]),
            )
            for row in rows
        ],
    )


def _matrix(rows: list[dict[str, Any]]) -> str:
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
    return text_table(("model", "method", "memory", *devices), lines)
