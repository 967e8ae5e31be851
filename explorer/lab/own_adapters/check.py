"""What an adapter says of itself, read without torch: its type, its base, its tensors' shapes."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.method import Method
from explorer.lab.bases import EMBEDDED, Checkpoint, checkpoints, find_base
from explorer.lab.own_adapters.header import read_shapes
from explorer.lab.own_adapters.settings import safe_settings
from explorer.lab.own_adapters.unpack import CONFIG, WEIGHTS, AdapterUploadError

MAX_CONFIG = 2**20


@dataclass(frozen=True)
class Adapter:
    """What is known of it: a `config` that is safe to load, the checkpoint's id as `base`."""

    config: dict[str, Any]
    method: str
    base: str
    parameters: int


def check_adapter(folder: Path, catalogue: Catalogue, base: str = "") -> Adapter:
    """Read the two files; `base` is where the adapter shall act, by default where it says.

    Raises AdapterUploadError for a type that does not run here, for another base, for a damaged
    file.
    """
    config = _read_config(folder / CONFIG)
    method = _method_of(config, catalogue)
    wanted = _base_of(config, base)
    shapes = read_shapes(folder / WEIGHTS)
    safe = safe_settings(config, method, shapes)
    return Adapter(safe, method.id, wanted, sum(map(math.prod, shapes.values())))


def _read_config(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_CONFIG:
        raise AdapterUploadError(f"{CONFIG} has more than {MAX_CONFIG:,} bytes.")
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise AdapterUploadError(f"{CONFIG} is not JSON: {error!s:.120}.") from error
    if not isinstance(config, dict):
        raise AdapterUploadError(f"{CONFIG} is not an object with settings.")
    return config


def _method_of(config: dict[str, Any], catalogue: Catalogue) -> Method:
    """The method whose type the adapter has."""
    kind = config.get("peft_type")
    known = {m.peft_type: m for m in reversed(catalogue.methods.values()) if m.peft_type}
    known |= {m.peft_type: m for m in catalogue.methods.values() if m.id == "lora"}
    if not isinstance(kind, str) or kind not in known:
        raise AdapterUploadError(f"The adapter's type is {kind!r:.60}, which peft 0.21 has not.")
    found = known[kind]
    if found.unsupported is not None:
        raise AdapterUploadError(f"{found.name} does not run here: {found.unsupported}")
    return found


def _base_of(config: dict[str, Any], asked: str) -> str:
    """The id of the base that the adapter was made for, which has to be the one asked for."""
    told = config.get("base_model_name_or_path") or ""
    made_for = next((c.id for c in checkpoints().values() if _is(c, str(told))), None)
    if told and made_for is None:
        known = ", ".join(checkpoints())
        raise AdapterUploadError(
            f"The adapter was made for {str(told)!r:.80}, which is none of the bases here "
            f"({known})."
        )
    if asked and asked not in checkpoints():
        find_base(asked, allow_paths=True)  # a folder of the visitor's own, or it tells
    if asked and made_for and asked != made_for:
        raise AdapterUploadError(f"The adapter was made for {made_for}, not for {asked}.")
    return asked or made_for or EMBEDDED


def _is(known: Checkpoint, told: str) -> bool:
    names = {known.id, known.hub.repository if known.hub else known.id, *EQUAL.get(known.id, ())}
    lowered = {name.lower() for name in names}
    return told.lower() in lowered or told.rstrip("/").rpartition("/")[2].lower() in lowered


# The embedded base comes out of a wheel; on the hub the same weights have another name.
EQUAL = {EMBEDDED: ("HuggingFaceTB/SmolLM2-135M-Instruct",)}
