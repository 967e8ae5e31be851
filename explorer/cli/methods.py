"""`methods`: the PEFT methods of the catalogue, or everything known of one of them."""

import argparse
from typing import Any

from explorer.catalogue.errors import unknown
from explorer.catalogue.load import DATA, load_folder
from explorer.catalogue.method import Method
from explorer.cli._table import text_table

HELP = "list the fine-tuning methods, or tell all of one"
COLUMNS = ("id", "name", "family", "merges", "4-bit", "paper")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("method", nargs="?", metavar="METHOD", help="id of one method: its card")
    parser.add_argument("--survey", action="store_true", help="only the five of the survey")


def run(args: argparse.Namespace) -> list[dict[str, Any]] | dict[str, Any]:
    """A row for each method, those of the survey first; or one method's card."""
    methods = load_folder(DATA / "methods", Method)
    if args.method is not None:
        if args.method not in methods:
            raise unknown("method", args.method, methods)
        return methods[args.method].model_dump(mode="json", exclude_none=True)
    chosen = [method for method in methods.values() if method.survey or not args.survey]
    return [row(method) for method in sorted(chosen, key=lambda m: (not m.survey, m.id))]


def row(method: Method) -> dict[str, Any]:
    """What a list shows of a method."""
    return {
        "id": method.id,
        "name": method.name,
        "family": method.family,
        "survey": method.survey,
        "peft_type": method.peft_type,
        "origin": method.origin,
        "merges": method.merges,
        "works_on_4bit": method.works_on_4bit,
        "starts_as_base": method.starts_as_base,
        "sites": list(method.sites),
        "knobs": sorted(method.knobs),
        "paper": method.paper.url if method.paper else None,
    }


def render(result: list[dict[str, Any]] | dict[str, Any]) -> str:
    """The list as a table, or the card as lines."""
    if isinstance(result, list):
        return text_table(COLUMNS, map(_cells, result))
    return _card_text(result)


def _cells(item: dict[str, Any]) -> tuple[str, ...]:
    said = {True: "yes", False: "no"}
    return (
        item["id"],
        item["name"],
        item["family"],
        said[item["merges"]],
        said[item["works_on_4bit"]],
        item["paper"] or "",
    )


def _card_text(card: dict[str, Any]) -> str:
    lines = [f"{card['name']} ({card['id']}, {card['family']})", "", card["idea"], ""]
    lines += [f"equation: {card['equation']}", f"starts from: {card['initialisation']}"]
    lines += [f"saved: {card['saved']}", f"extra latency: {card['extra_latency']}"]
    if card.get("sites"):
        lines.append(f"acts on: {', '.join(card['sites'])}")
    lines += [f"runs only where {need['holds']}" for need in card.get("needs", ())]
    lines += ["", "knobs"] if card["knobs"] else []
    lines += [_knob(name, knob) for name, knob in card["knobs"].items()]
    lines += ["", "caveats"] if card["caveats"] else []
    lines += [f"  {caveat['text']}" for caveat in card["caveats"]]
    lines += [f"does not run on {kind}: {why}" for kind, why in card.get("not_on", {}).items()]
    if "paper" in card:
        lines += ["", f"paper: {card['paper']['title']}, {card['paper']['url']}"]
    return "\n".join(lines)


def _knob(name: str, knob: dict[str, Any]) -> str:
    limits = ", ".join(f"{key} {knob[key]}" for key in ("min", "max") if key in knob)
    choices = f", one of {', '.join(map(str, knob['choices']))}" if knob.get("choices") else ""
    default = f", default {knob['default']}" if "default" in knob else ""
    return f"  {name}: {knob['type']}{default}{', ' + limits if limits else ''}{choices}"
