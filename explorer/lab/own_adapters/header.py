"""The header of a safetensors file: every tensor's shape, read without its numbers."""

import json
import math
import struct
from pathlib import Path
from typing import Any

from explorer.lab.own_adapters.unpack import AdapterUploadError

MAX_HEADER = 100 * 2**20  # the format's own limit
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "U16": 16, "I16": 16,
    "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64,
}  # fmt: skip

Shapes = dict[str, tuple[int, ...]]


def read_shapes(path: Path) -> Shapes:
    """Every tensor's shape; raises AdapterUploadError for a header that cannot be right."""
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
        shapes = {name: _shape(entry) for name, entry in entries.items()}
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


def _shape(entry: dict[str, Any]) -> tuple[int, ...]:
    """Raises ValueError or KeyError for one that is none, or that its bytes do not hold."""
    shape, (begin, end) = tuple(entry["shape"]), entry["data_offsets"]
    if not all(type(number) is int and number >= 0 for number in (*shape, begin, end)):
        raise ValueError
    if (end - begin) * 8 != math.prod(shape) * BITS[entry["dtype"]]:
        raise ValueError
    return shape
