"""Disk for what can be made again: merged checkpoints and converted GGUF files, under one limit.

A run, its adapter and the embedded base are never touched.
"""

import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from explorer.catalogue.errors import ExplorerError
from explorer.lab.base_folder import Base, UnfitBaseError
from explorer.lab.folders import cache_folder
from explorer.lab.runs import list_runs

MERGED = "merged"  # in a run's folder
CONVERTED = "gguf"  # in the cache folder
LIMIT = "EXPLORER_DERIVED_GIB"
DEFAULT_GIB = 40.0  # an 8B model converted to float32 fits
GIB = 2**30
FLOAT32 = 4  # bytes


class QuotaError(ExplorerError):
    """There is no room for another derived checkpoint; the sentence has the sizes."""


@dataclass(frozen=True)
class Derived:
    """A checkpoint that can be made again."""

    folder: Path
    bytes: int
    made: float  # seconds since the epoch


def derived_limit() -> int:
    """Bytes that derived checkpoints may take: $EXPLORER_DERIVED_GIB, or 40 GiB.

    Raises QuotaError where the variable is not a number above 0.
    """
    text = os.environ.get(LIMIT, "")
    try:
        gib = float(text) if text else DEFAULT_GIB
    except ValueError:
        gib = math.nan
    if not 0 < gib < math.inf:
        raise QuotaError(f"{LIMIT} = {text!r:.40}: it takes a number of GiB above 0, such as 40.")
    return int(gib * GIB)


def derived() -> list[Derived]:
    """Every derived checkpoint, the oldest first."""
    return sorted((_measured(folder) for folder in _folders()), key=lambda item: item.made)


def _folders() -> Iterator[Path]:
    merged = (run.folder / MERGED for run in list_runs())
    yield from (folder for folder in merged if folder.is_dir())
    converted = cache_folder() / CONVERTED
    if converted.is_dir():
        # What a conversion works in begins with a dot, and is not finished.
        yield from (p for p in converted.iterdir() if p.is_dir() and not p.name.startswith("."))


def _measured(folder: Path) -> Derived:
    files = (path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Derived(folder, sum(files), folder.stat().st_mtime)


def make_room(needed: int, what: str, place: Path) -> list[Path]:
    """Remove the oldest derived checkpoints until `needed` bytes more may be written at `place`.

    Returns the folders that are gone. Raises QuotaError, and removes nothing, where `what` is more
    than the limit by itself or where the disk would be full all the same.
    """
    limit, kept = derived_limit(), derived()
    if needed > limit:
        raise QuotaError(
            f"{what} takes about {gibibytes(needed)}; merged and converted checkpoints together "
            f"may take {gibibytes(limit)}. Set {LIMIT} to allow more."
        )
    free, held = shutil.disk_usage(_existing(place)).free, sum(item.bytes for item in kept)
    if needed > free + held:
        raise QuotaError(
            f"{what} takes about {gibibytes(needed)}, and the disk has {gibibytes(free)} free: "
            "delete some runs, or choose another place with EXPLORER_RUNS or EXPLORER_CACHE."
        )
    gone = []
    while kept and (held + needed > limit or free < needed):
        oldest = kept.pop(0)
        _remove(oldest.folder)
        gone.append(oldest.folder)
        free, held = shutil.disk_usage(_existing(place)).free, held - oldest.bytes
    return gone


def _remove(folder: Path) -> None:
    """Out of sight in one step, so that nobody finds half of it, then gone."""
    hidden = folder.with_name(f".{folder.name}-removed")
    shutil.rmtree(hidden, ignore_errors=True)
    folder.rename(hidden)
    shutil.rmtree(hidden)


def _existing(place: Path) -> Path:
    """The folder itself or the nearest one above it that is there already."""
    return next(path for path in (place, *place.absolute().parents) if path.exists())


def merged_bytes(base: Base) -> int:
    """About what a checkpoint merged into this base takes: what the base's weights do."""
    if base.gguf_file is not None:
        return converted_bytes(base)
    return sum(path.stat().st_size for path in base.folder.glob("*.safetensors"))


def converted_bytes(base: Base) -> int:
    """About what the conversion of a GGUF folder's file takes: float32 numbers."""
    assert base.gguf_file is not None  # nothing else is converted
    from gguf import GGUFReader  # noqa: PLC0415  # 0.3 s that few visitors need

    try:
        tensors = GGUFReader(base.folder / base.gguf_file).tensors
    except (ValueError, LookupError, ArithmeticError) as error:  # whatever it stumbles over
        told = f"{base.gguf_file} cannot be read as GGUF: {error!s:.120}"
        raise UnfitBaseError(f"{told.rstrip('.')}.") from error
    return FLOAT32 * sum(int(tensor.n_elements) for tensor in tensors)


def told_room() -> str:
    """How much derived checkpoints take, in a sentence."""
    held = sum(item.bytes for item in derived())
    return (
        f"Merged and converted checkpoints take {gibibytes(held)} of {gibibytes(derived_limit())}; "
        "the oldest one is removed when another needs its place, and can be made again."
    )


def gibibytes(count: int) -> str:
    """A number of bytes in GiB, or in MiB where that reads better."""
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / 2**20:.0f} MiB"
