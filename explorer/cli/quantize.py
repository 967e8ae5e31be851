"""`explorer quantize`: what 4 and 8 bits do to a layer, to perplexity and to size."""

import argparse
import sys
from typing import Any

from explorer.catalogue.errors import ExplorerError
from explorer.lab.bases import EMBEDDED, find_base
from explorer.lab.engine import Engine
from explorer.lab.request import QuantizationRequest
from explorer.lab.words import check

HELP = "measure NF4, FP4, int4 and int8 on a layer of a base and on all of it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--base", default=EMBEDDED, metavar="ID")
    parser.add_argument("--layer", type=int, default=0)
    parser.add_argument("--site", default="q_proj", metavar="NAME")
    parser.add_argument("--device", default="auto")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """The report: histogram, levels, errors and whole."""
    find_base(args.base, allow_paths=True)
    values = {"base": args.base, "layer": args.layer, "site": args.site}
    report: dict[str, Any] = {}
    with Engine(args.device) as engine:
        for event in engine.generate(check(QuantizationRequest, values)):
            if event.kind == "error":
                raise ExplorerError(event.reason)
            if event.kind == "report":
                report = event.values
            else:
                sys.stderr.write(f"{event.what}\n")
    return report


def render(result: dict[str, Any]) -> str:
    """Error by block size, then perplexity and size."""
    lines = [f"layer {result['layer']}, {result['site']}, {result['shape']}: ‖W - Ŵ‖ / ‖W‖", ""]
    lines.append(f"{'block':>6}" + "".join(f"{k:>8}{k + ' dq':>9}" for k in ("nf4", "fp4", "int4")))
    errors = {(e["block"], e["kind"], e["double"]): e["error"] for e in result["errors"]}
    for block in dict.fromkeys(block for block, _, _ in errors):
        cells = [
            f"{errors[block, kind, False]:>8.2%}{errors[block, kind, True]:>9.2%}"
            for kind in ("nf4", "fp4", "int4")
        ]
        lines.append(f"{block:>6}" + "".join(cells))
    lines += ["", f"{'all linears in':<26}{'perplexity':>11}{'MiB':>9}"]
    for form in result["whole"]:
        lines.append(f"{form['name']:<26}{form['perplexity']:>11.2f}{form['bytes'] / 2**20:>9.1f}")
    return "\n".join(lines)
