"""Where visitors' adapters are kept: a folder each beside the runs."""

import json
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import UnknownNameError
from explorer.catalogue.record import Record
from explorer.lab.folders import made_at, remove, runs_folder
from explorer.lab.own_adapters.check import check_adapter
from explorer.lab.own_adapters.unpack import CONFIG, unpack
from explorer.lab.stored import DamagedFileError, read_stored

ID = re.compile(r"adapter-[0-9a-f]{12}")
ABOUT, FILES = "about.json", "adapter"
LOADED = "loaded"  # an empty file: the adapter was put on its base once


class About(Record):
    """What is known of an adapter that was brought."""

    name: str
    method: str
    base: str
    parameters: int


@dataclass(frozen=True)
class OwnAdapter:
    """An adapter that was brought, as it lies on disk."""

    id: str
    folder: Path

    @property
    def about(self) -> About:
        """Raises UnknownNameError where it is gone, DamagedFileError where it cannot be read."""
        try:
            return read_stored(self.folder / ABOUT, About)
        except FileNotFoundError:
            raise _gone(self.id) from None

    @property
    def files(self) -> Path:
        """The peft folder."""
        return self.folder / FILES


def keep_adapter(
    paths: Sequence[Path], catalogue: Catalogue, name: str = "", base: str = ""
) -> OwnAdapter:
    """Unpack, check and keep an adapter; nothing is kept of one that is refused.

    Raises AdapterUploadError with the reason. That its tensors fit the base is only seen when it
    is first loaded: see `settle`.
    """
    made = f"adapter-{secrets.token_hex(6)}"
    hidden = adapters_folder() / f".{made}"
    files = hidden / FILES
    files.mkdir(parents=True)
    try:
        unpack(paths, files)
        checked = check_adapter(files, catalogue, base)
        (files / CONFIG).write_text(json.dumps(checked.config, indent=1), encoding="utf-8")
        about = About(
            name=(name.strip() or paths[0].stem)[:80],
            method=checked.method,
            base=checked.base,
            parameters=checked.parameters,
        )
        (hidden / ABOUT).write_text(about.model_dump_json(indent=1), encoding="utf-8")
        hidden.rename(adapters_folder() / made)
    except BaseException:
        shutil.rmtree(hidden)
        raise
    return OwnAdapter(made, adapters_folder() / made)


def find_adapter(name: str) -> OwnAdapter:
    """The adapter with this id; raises UnknownNameError for anything else, a path included."""
    found = OwnAdapter(name, adapters_folder() / name)
    if not ID.fullmatch(name) or not (found.folder / ABOUT).is_file():
        raise _gone(name)
    return found


def list_adapters() -> Iterator[OwnAdapter]:
    """Every adapter that was brought and can be read, the newest first."""
    root = adapters_folder()
    names = [path.name for path in root.iterdir()] if root.is_dir() else []
    found = [(made_at(root / name), name) for name in names if ID.fullmatch(name)]
    for _, name in sorted(found, reverse=True):
        adapter = OwnAdapter(name, root / name)
        try:
            _ = adapter.about
        except (DamagedFileError, UnknownNameError):
            continue
        yield adapter


def delete_adapter(name: str) -> None:
    """Remove an adapter from disk."""
    found = find_adapter(name)
    if not remove(found.folder):
        raise _gone(name)


def settle(files: Path, fits: bool) -> bool:
    """Note of the adapter in this peft folder that it was loaded, or delete one that never was.

    Returns whether it was deleted. A folder that is no brought adapter's, a run's say, stays as it
    is.
    """
    found = OwnAdapter(files.parent.name, files.parent)
    if found.folder.parent != adapters_folder() or not ID.fullmatch(found.id):
        return False
    loaded = found.folder / LOADED
    if fits:
        loaded.touch()
    elif found.folder.is_dir() and not loaded.exists():
        delete_adapter(found.id)
        return True
    return False


def _gone(name: str) -> UnknownNameError:
    return UnknownNameError(f"There is no adapter {name!r:.60}: it may have been deleted.")


def adapters_folder() -> Path:
    """Where they are kept."""
    return runs_folder() / "adapters"
