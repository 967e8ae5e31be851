"""`budget`: parameters of a model, and what a method trains of them."""

import argparse
from pathlib import Path
from typing import Any

from explorer.budget.params import ParameterCount, count_parameters
from explorer.budget.trainable import TrainableCount, count_trainable
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.config import LONGEST_CONFIG, architecture_from_text
from explorer.catalogue.errors import ExplorerError

HELP = "count a model's parameters and what a method trains of them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="id of a model of the catalogue")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a config.json instead")
    parser.add_argument("--method", default="lora", metavar="ID", help="how to fine-tune (lora)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KNOB=VALUE", help="a knob of the method"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """The budget as nested plain values."""
    name, arch = chosen_architecture(args.model, args.config)
    method = load_catalogue().method(args.method)
    trainable = count_trainable(arch, method, assignments(args.set))
    return {
        "model": name,
        "method": method.id,
        "params": _params(count_parameters(arch)),
        "trainable": _trainable(trainable),
    }


def chosen_architecture(model: str | None, config: Path | None) -> tuple[str, Architecture]:
    """The architecture that the command line names, and what to call it."""
    if (model is None) == (config is None):
        raise ExplorerError("Give either a MODEL of the catalogue or --config FILE.")
    if config is not None:
        return config.name, architecture_from_text(_read(config))
    record = load_catalogue().model(str(model))
    if record.architecture is None:
        raise ExplorerError(
            f"The shape of {record.id!r} was never published, so nothing counts it."
        )
    return record.id, record.architecture


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


def _params(count: ParameterCount) -> dict[str, Any]:
    return {
        "total": count.total,
        "active": count.active,
        "active_with_image": count.active_with_image,
        "by_component": count.by_component,
        "by_layer": list(count.by_layer),
    }


def _trainable(count: TrainableCount) -> dict[str, Any]:
    return {
        "total": count.total,
        "percent": count.percent,
        "by_site": count.by_site,
        "layers": list(count.layers),
        "exact": count.exact,
        "note": count.note,
    }


def render(result: dict[str, Any]) -> str:
    """The budget as text."""
    params, trainable = result["params"], result["trainable"]
    lines = [
        f"{result['model']}: {params['total']:,} parameters ({params['active']:,} a token)",
        *(f"  {name:<26} {numbers:>18,}" for name, numbers in params["by_component"].items()),
        f"{result['method']} trains {trainable['total']:,} ({trainable['percent']:.4f} %)",
        *(f"  {name:<26} {numbers:>18,}" for name, numbers in trainable["by_site"].items()),
    ]
    return "\n".join(lines)
