"""Which modules an adapter acts on, as plain names: patterns of others are never tried out.

peft takes many of its settings for regular expressions and matches them against every module. One
that backtracks without end would hold up the worker for everybody.
"""

import re
from collections.abc import Mapping
from typing import Any

from explorer.catalogue.knob import ALL_LINEAR, LINEARS
from explorer.lab.own_adapters.header import Shapes
from explorer.lab.own_adapters.unpack import AdapterUploadError

LONGEST = 300  # characters of a name
MOST_NAMES = 2_000
MOST_KEYS = 500  # of a pattern's: Python keeps so many compiled, and does not compile them anew
PLAIN = re.compile(r"\w+(\.\w+)*")
KEY = re.compile(r"\^?\w+(\\?\.\w+)*\$?")  # what is more than a name, but can only match one way
PREFIX = "base_model.model."
MODULES = {
    *LINEARS, "lm_head", "embed_tokens", "self_attn", "mlp", "norm", "input_layernorm",
    "post_attention_layernorm",
}  # fmt: skip
OF_THE_BASE = {"weight", "bias", "base_layer", "token_adapter"}  # saved beside what acts on it


def read_names(name: str, value: Any) -> str | list[str]:
    """A name, or a list of them; raises AdapterUploadError for anything else."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(item, str) for item in names):
        raise AdapterUploadError(f"{name} = {value!r:.60}: names of modules are needed.")
    if len(names) > MOST_NAMES:
        raise AdapterUploadError(f"{name} has {len(names):,} names; at most {MOST_NAMES:,}.")
    for item in names:
        if len(item) > LONGEST or not PLAIN.fullmatch(item):
            raise _no_name(name, item)
    return value


def read_keys(name: str, value: Any) -> dict[str, Any]:
    """A setting for single modules: plain names, and a number or a list of switches for each."""
    if not isinstance(value, dict):
        raise AdapterUploadError(f"{name} = {value!r:.60}: modules with a number each are needed.")
    if len(value) > MOST_KEYS:
        raise AdapterUploadError(f"{name} has {len(value):,} modules; at most {MOST_KEYS}.")
    for key, given in value.items():
        if len(key) > LONGEST or not KEY.fullmatch(key):
            raise _no_name(name, key)
        numbers = given if isinstance(given, list) else [given]
        if not all(isinstance(number, int | float) and abs(number) < 1e9 for number in numbers):
            raise AdapterUploadError(f"{name}, {key}: {given!r:.60} is no number that is taken.")
    return value


def named_targets(config: Mapping[str, Any], shapes: Shapes) -> dict[str, Any]:
    """The settings that say which modules are meant, without patterns among them.

    Where one is a pattern, the modules are those that the adapter has tensors for. Raises
    AdapterUploadError when no tensor tells.
    """
    targets, excluded = config.get("target_modules"), config.get("exclude_modules")
    if targets == ALL_LINEAR and not _pattern(excluded):
        return (
            {} if excluded is None else {"exclude_modules": read_names("exclude_modules", excluded)}
        )
    if not _pattern(targets) and not _pattern(excluded):
        return {
            name: read_names(name, config[name])
            for name in ("target_modules", "exclude_modules")
            if config.get(name) is not None
        }
    found = sorted({path for path in map(_module, shapes) if path})
    if not found:
        pattern = targets if _pattern(targets) else excluded
        raise AdapterUploadError(
            f"The modules are told by a pattern, {pattern!r:.60}, and none of the tensors is named "
            "after a module: write target_modules as a list of names."
        )
    told = ("exclude_modules", "layers_to_transform", "layers_pattern")  # the names tell it all
    return {name: None for name in told if name in config} | {
        "target_modules": read_names("target_modules", found)
    }


def _pattern(value: Any) -> bool:
    return isinstance(value, str) and not PLAIN.fullmatch(value)


def _module(tensor: str) -> str:
    """The base's module that a tensor of an adapter acts on; "" for one that stands by itself."""
    parts = tensor.removeprefix(PREFIX).split(".")
    ends = [place for place, part in enumerate(parts[:-1]) if part in MODULES]
    if not tensor.startswith(PREFIX) or not ends or parts[ends[-1] + 1] in OF_THE_BASE:
        return ""
    return ".".join(parts[: ends[-1] + 1])


def _no_name(setting: str, item: str) -> AdapterUploadError:
    return AdapterUploadError(
        f"{setting} holds {item!r:.60}, which is no plain name of a module: patterns are not taken."
    )
