"""What an adapter says of itself, read without torch: its type, its base, its tensors' shapes."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.catalogue.catalogue import Catalogue
from explorer.lab.bases import EMBEDDED, Checkpoint, checkpoints
from explorer.lab.own_adapters.unpack import CONFIG, WEIGHTS, AdapterUploadError

MAX_CONFIG = 2**20
MAX_HEADER = 100 * 2**20  # the format's own limit
LONGEST_NAME = 300

# Settings that would fetch, read or run something else while the adapter is loaded. None of them
# is needed for an adapter whose weights are given.
DROPPED = (
    "auto_mapping",
    "corda_config",
    "eva_config",
    "loftq_config",
    "prompt_tuning_init_state_dict_path",
    "prompt_tuning_init_text",
    "tokenizer_kwargs",
    "tokenizer_name_or_path",
    "runtime_config",
    "revision",
)
PLAIN_START = {"init_lora_weights": True, "init_weights": True, "prompt_tuning_init": "RANDOM"}


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
    safe = {name: value for name, value in config.items() if name not in DROPPED}
    safe |= {name: value for name, value in PLAIN_START.items() if name in safe}
    safe |= {"inference_mode": True, "task_type": "CAUSAL_LM"}
    return Adapter(safe, method, wanted, sum(map(_elements, shapes.values())))


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Every tensor's shape from the header of a safetensors file; raises AdapterUploadError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(MAX_HEADER, size - 8):
            raise AdapterUploadError(f"{path.name} is no safetensors file: its header is damaged.")
        text = file.read(length)
    try:
        header = json.loads(text)
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        shapes = {name: tuple(map(int, entry["shape"])) for name, entry in entries.items()}
        last = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise AdapterUploadError(
            f"{path.name} is no safetensors file: its header cannot be read."
        ) from error
    if not shapes:
        raise AdapterUploadError(f"{path.name} holds no tensors.")
    if 8 + length + last != size:
        raise AdapterUploadError(f"{path.name} is cut off or has something behind its tensors.")
    return shapes


def _read_config(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_CONFIG:
        raise AdapterUploadError(f"{CONFIG} has more than {MAX_CONFIG:,} bytes.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise AdapterUploadError(f"{CONFIG} is not JSON: {error!s:.120}.") from error
    if not isinstance(config, dict):
        raise AdapterUploadError(f"{CONFIG} is not an object with settings.")
    return config


def _method_of(config: dict[str, Any], catalogue: Catalogue) -> str:
    """The method whose type the adapter has."""
    kind = config.get("peft_type")
    known = {m.peft_type: m for m in reversed(catalogue.methods.values()) if m.peft_type}
    known |= {m.peft_type: m for m in catalogue.methods.values() if m.id == "lora"}
    if not isinstance(kind, str) or kind not in known:
        raise AdapterUploadError(f"The adapter's type is {kind!r:.60}, which peft 0.21 has not.")
    found = known[kind]
    if found.unsupported is not None:
        raise AdapterUploadError(f"{found.name} does not run here: {found.unsupported}")
    return found.id


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
    if asked and made_for and asked != made_for:
        raise AdapterUploadError(f"The adapter was made for {made_for}, not for {asked}.")
    return asked or made_for or EMBEDDED


def _is(known: Checkpoint, told: str) -> bool:
    names = {known.id, known.hub.repository if known.hub else known.id, *EQUAL.get(known.id, ())}
    lowered = {name.lower() for name in names}
    return told.lower() in lowered or told.rstrip("/").rpartition("/")[2].lower() in lowered


# The embedded base comes out of a wheel; on the hub the same weights have another name.
EQUAL = {EMBEDDED: ("HuggingFaceTB/SmolLM2-135M-Instruct",)}


def _elements(shape: tuple[int, ...]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product
