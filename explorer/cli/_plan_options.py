"""The options of `budget` that describe a plan, and the plan that they describe."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from explorer.budget.plan import (
    GRID_INTENSITY,
    OPTIMIZERS,
    QUANTIZATIONS,
    SHARDINGS,
    Plan,
    make_plan,
)
from explorer.budget.resolve import recipe_values
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.config import LONGEST_CONFIG, architecture_from_text
from explorer.catalogue.errors import ExplorerError

# Options that set a value of the plan as it was typed: flag, setting, help.
VALUES = (
    ("--batch", "batch", "sequences in a micro-batch (1)"),
    ("--seq", "length", "tokens of a sequence, or of the context in inference (2048)"),
    ("--accumulation", "accumulation", "micro-batches between two updates (1)"),
    ("--block-size", "quantization_block", "numbers that share a 4-bit scale (64)"),
    ("--loss-positions", "loss_positions", "positions of a sequence that have logits (all)"),
    ("--loss-chunk", "loss_chunk", "positions at a time in a fused loss (0: not fused)"),
    ("--tokens", "tokens", "tokens seen in the whole training (10,000,000)"),
    ("--prompt", "prompt", "tokens of the prompt, in inference (half of --seq)"),
    ("--devices", "devices", "how many devices (1); in inference each runs a copy"),
    ("--interconnect", "interconnect", "GB/s between devices, both directions (the device's own)"),
    ("--efficiency", "efficiency", "share of the device's rate that is reached"),
    ("--price", "price_per_hour", "US dollars an hour a device"),
    ("--grid", "grid_intensity", f"kg CO2e a kWh ({GRID_INTENSITY:g})"),
)
WORDS = (
    ("--dtype", "parameter_dtype", "of weights that are not quantized (bfloat16)"),
    ("--compute-dtype", "compute_dtype", "that 4-bit linears multiply in (bfloat16)"),
    ("--adapter-dtype", "adapter_dtype", "of the adapter's weights (float32)"),
    ("--optimizer-dtype", "optimizer_dtype", "of the optimizer's states (as what trains)"),
    ("--attention", "attention", "sdpa or eager"),
    ("--kv-dtype", "kv_dtype", "of the cache (bfloat16)"),
)
SWITCHES = (
    ("--double-quant", "double_quantization", "quantize the 4-bit scales as well"),
    ("--checkpointing", "checkpointing", "keep only the layers' inputs"),
    ("--master-weights", "master_weights", "float32 copies of what trains"),
    ("--autocast", "autocast", "float32 adapters multiply in the compute type"),
    ("--padded", "padded", "sequences padded to one length, with a mask"),
)
# Names that libraries have for the same things, bare of hyphens and underscores.
ALIASES = {
    "4bit": "nf4",
    "bnb4bit": "nf4",
    "8bit": "int8",
    "bnb8bit": "int8",
    "llmint8": "int8",
    "16bit": "none",
    "adamwtorch": "adamw",
    "adamwtorchfused": "adamw",
    "adam": "adamw",
    "adam8bit": "adamw-8bit",
    "adamwbnb8bit": "adamw-8bit",
    "pagedadamw32bit": "paged-adamw",
    "sgdmomentum": "momentum",
    "bf16": "bfloat16",
    "fp16": "float16",
    "fp32": "float32",
    "fp8": "float8",
}


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """MODEL, --config, --method, --set and every other option that a plan is made of."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="id of a model of the catalogue")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a config.json or its folder")
    parser.add_argument("--method", default="lora", metavar="ID", help="how to fine-tune (lora)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KNOB=VALUE", help="a knob of the method"
    )
    parser.add_argument("--inference", action="store_true", help="run the model, do not train it")
    kinds = ", ".join(QUANTIZATIONS[:4])
    parser.add_argument(
        "--quant", metavar="KIND", help=f"{kinds} or gguf-…; unset, what the method's recipe says"
    )
    parser.add_argument("--optimizer", metavar="NAME", help=", ".join(OPTIMIZERS))
    parser.add_argument("--sharding", metavar="KIND", help=f"of training: {', '.join(SHARDINGS)}")
    parser.add_argument("--skip", metavar="MODULES", help="linears not to quantize (lm_head)")
    parser.add_argument("--hardware", metavar="ID", help="id of a device (a100-80gb)")
    for flag, name, words in VALUES:
        parser.add_argument(flag, dest=name, metavar="N", help=words)
    for flag, name, words in WORDS:
        parser.add_argument(flag, dest=name, metavar="NAME", help=words)
    for flag, name, words in SWITCHES:
        parser.add_argument(flag, dest=name, action=argparse.BooleanOptionalAction, help=words)


def plan_of(args: argparse.Namespace, catalogue: Catalogue) -> Plan:
    """The plan that the command line describes.

    A method's recipe (QLoRA's NF4, paged optimizer and checkpointing) holds unless --quant is
    given; single options override it.
    """
    name, arch = chosen_architecture(args.model, args.config, catalogue)
    mode = "inference" if args.inference else "training"
    method = catalogue.method(args.method)
    device = alias(args.hardware or Plan.model_fields["hardware"].default, catalogue.hardware)
    values: dict[str, Any] = {"hardware": device}
    if not args.quant:
        values |= recipe_values(method, catalogue.device(device), mode)
    for _, setting, _ in (*VALUES, *WORDS, *SWITCHES):
        given = getattr(args, setting)
        if given is not None:
            values[setting] = ALIASES.get(given, given)
    if args.quant is not None:
        values["quantization"] = alias(args.quant, QUANTIZATIONS)
    if args.optimizer is not None:
        values["optimizer"] = alias(args.optimizer, OPTIMIZERS)
    if args.sharding is not None:
        values["sharding"] = alias(args.sharding, SHARDINGS)
    if args.skip is not None:
        values["skipped_modules"] = tuple(part for part in args.skip.split(",") if part)
    knobs = assignments(args.set)
    return make_plan(
        model=name, architecture=arch, method=args.method, knobs=knobs, mode=mode, **values
    )


def alias(given: str, known: Iterable[str]) -> str:
    """The known name that is meant, however its words are joined or whichever library names it."""
    names = tuple(known)
    meant = ALIASES.get(_bare(given), given)
    return next((name for name in names if _bare(name) == _bare(meant)), given)


def _bare(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum()).removeprefix("gguf")


def chosen_architecture(
    model: str | None, config: Path | None, catalogue: Catalogue
) -> tuple[str, Architecture | None]:
    """What the command line names: an id of the catalogue, or a config with its shape."""
    if (model is None) == (config is None):
        raise ExplorerError("Give either a MODEL of the catalogue or --config FILE.")
    if config is not None:
        return config.name, architecture_from_text(_read(config))
    return catalogue.model(alias(str(model), catalogue.models)).id, None


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
