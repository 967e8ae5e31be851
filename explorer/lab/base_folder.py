"""A folder with weights as a base: its form, whether a LLaMA is in it, whether it is whole."""

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from explorer.catalogue.errors import ExplorerError, UnknownNameError
from explorer.lab.folders import cache_folder

MANIFEST = "complete.json"  # written last: the files that a conversion made, their sizes and sums
LLAMA_TYPES = ("llama",)  # what the methods of this project know how to act on

Stored = Literal["none", "int8", "nf4"]


class BaseMissingError(ExplorerError):
    """A base that is registered but not on this machine, or whose files are damaged."""


class UnfitBaseError(ExplorerError):
    """A base that is there but cannot be used."""


@dataclass(frozen=True)
class Base:
    """A base that is on this machine: its id, the folder to load, and the GGUF file in it if any.

    `form` is how the folder holds its weights.
    """

    id: str
    folder: Path
    form: Literal["safetensors", "gguf"] = "safetensors"
    gguf_file: str | None = None

    @property
    def config(self) -> dict[str, object]:
        """The folder's config.json (empty for a GGUF folder, which holds its shape inside)."""
        path = self.folder / "config.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    @property
    def quantization(self) -> Stored:
        """How the weights are stored: as numbers, or quantized by bitsandbytes.

        Raises UnfitBaseError for a quantization that the lab does not train on.
        """
        settings = self.config.get("quantization_config")
        if not isinstance(settings, dict):
            return "none"
        if settings.get("load_in_8bit"):
            return "int8"
        kind = settings.get("bnb_4bit_quant_type", "fp4")  # bitsandbytes' own default
        if settings.get("load_in_4bit") and kind == "nf4":
            return "nf4"
        called = kind if settings.get("load_in_4bit") else settings.get("quant_method", "unknown")
        raise UnfitBaseError(
            f"{self.id} is stored in {called!r:.40}; the lab trains on 16-bit, int8 and nf4 "
            "checkpoints (the last two as bitsandbytes saves them)."
        )


def folder_base(name: str, folder: Path) -> Base:
    """A local folder as a base: safetensors beside a config.json, or one GGUF file.

    A GGUF file that was converted before is taken from the cache. Pickled weights
    (`pytorch_model.bin`) are refused: loading them runs code. Raises UnknownNameError,
    BaseMissingError or UnfitBaseError.
    """
    if not is_folder(folder):
        raise UnknownNameError(f"There is no folder {name!r:.80} to load as a base.")
    if any(folder.glob("*.safetensors")):
        return _checkpoint_folder(name, folder)
    gguf = sorted(folder.glob("*.gguf"))
    if len(gguf) == 1:
        architecture = gguf_architecture(gguf[0])
        if architecture is not None:
            _demand_llama(name, architecture)
        converted = gguf_cache(gguf[0])
        if manifest_problem(converted) is None:
            return Base(name, converted)
        return Base(name, folder, "gguf", gguf[0].name)
    if len(gguf) > 1:
        names = ", ".join(path.name for path in gguf[:4])
        raise BaseMissingError(f"{name}: the folder has several GGUF files ({names}); keep one.")
    pickled = [path.name for path in folder.glob("*.bin")]
    reason = f"only pickled weights ({pickled[0]}), which run code" if pickled else "no weights"
    raise BaseMissingError(
        f"{name}: the folder has {reason}. A base needs config.json with *.safetensors, or one "
        "*.gguf file."
    )


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; False for a name that no file system takes."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def gguf_cache(file: Path) -> Path:
    """Where the conversion of a GGUF file is kept: another one as soon as the file changes."""
    known = file.stat()
    key = f"{file.resolve()} {known.st_size} {known.st_mtime_ns}"
    return cache_folder() / "gguf" / hashlib.sha256(key.encode()).hexdigest()[:24]


def gguf_architecture(file: Path) -> str | None:
    """What a GGUF file says that it holds; None where the first of its keys is another.

    Only the head is read: the whole of it may hold a hundred thousand tokens.
    """
    with file.open("rb") as opened:
        if opened.read(4) != b"GGUF":
            raise UnfitBaseError(f"{file.name} is not a GGUF file: it does not begin with GGUF.")
        opened.seek(24)  # behind version, number of tensors and number of keys
        key = _text(opened.read(8), opened.read(64))
        if key != "general.architecture":
            return None
        opened.seek(24 + 8 + len(key) + 4)  # and the type of the value, a text
        return _text(opened.read(8), opened.read(64))


def _text(length: bytes, data: bytes) -> str:
    size = struct.unpack("<Q", length)[0] if len(length) == 8 else 0
    return data[: min(size, 64)].decode("utf-8", "replace")


def _checkpoint_folder(name: str, folder: Path) -> Base:
    if not (folder / "config.json").is_file():
        raise BaseMissingError(f"{name}: the folder has safetensors but no config.json.")
    base = Base(name, folder)
    try:
        settings = base.config
    except (ValueError, RecursionError) as error:
        raise UnfitBaseError(f"{name}: config.json is not JSON.") from error
    _demand_llama(name, settings.get("model_type") if isinstance(settings, dict) else None)
    _ = base.quantization  # raises for one that the lab does not know
    return base


def _demand_llama(name: str, kind: object) -> None:
    if kind is None:
        raise UnfitBaseError(f"{name}: config.json names no model_type.")
    if kind not in LLAMA_TYPES:
        raise UnfitBaseError(
            f"{name} is a {kind!r:.40} model; the lab runs LLaMA architectures "
            f"({', '.join(LLAMA_TYPES)})."
        )


def manifest_problem(folder: Path) -> str | None:
    """What is wrong with a converted folder, by the sizes in its manifest; None when whole."""
    if not folder.exists():
        return "is not on this machine yet"
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        sizes = {PurePosixPath(name).name: int(entry["bytes"]) for name, entry in files.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return "is incomplete (its conversion did not finish)"
    for name, size in sizes.items():
        path = folder / name
        if not path.is_file():
            return f"is damaged ({name} is missing)"
        if path.stat().st_size != size:
            return f"is damaged ({name} has {path.stat().st_size:,} bytes instead of {size:,})"
    return None
