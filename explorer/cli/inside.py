"""`explorer inside`: what a finished run's adapter learned, layer by layer."""

import argparse
from typing import Any

from explorer.lab.inside import read_inside
from explorer.lab.runs import find_run

HELP = "look into the adapter of a finished run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("run", metavar="RUN", help="its id; `explorer runs` lists them")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Weight changes by layer and site, how far layers moved, what prompts got."""
    return read_inside(find_run(args.run)).model_dump(mode="json")


def render(result: dict[str, Any]) -> str:
    """A line a layer."""
    changes: dict[int, list[str]] = {}
    for change in result["changes"]:
        said = f"{change['site']} {100 * change['relative']:.2f} %"
        changes.setdefault(change["layer"], []).append(said)
    prompts = {row["layer"]: row["mass"] for row in result["prompted"]}
    lines = [f"Means over {result['tokens']:,} held-out tokens.", "", "layer    moved  weights"]
    for row in result["moved"]:
        layer = row["layer"]
        parts = changes.get(layer, [])
        if layer in prompts:
            parts = [*parts, f"prompts get {100 * prompts[layer]:.1f} % of the attention"]
        lines.append(f"{layer:>5}  {100 * row['relative']:>5.1f} %  {', '.join(parts)}".rstrip())
    return "\n".join(lines)
