"""The two files of an adapter out of a folder or a zip, and nothing else of what is in there."""

import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from explorer.catalogue.errors import ExplorerError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PICKLED = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
MAX_BYTES = 512 * 2**20  # of each file, as it lies on disk
MAX_ENTRIES = 200
CHUNK = 2**20


class AdapterUploadError(ExplorerError):
    """An adapter that is not taken in; the sentence says why."""


def unpack(paths: Sequence[Path], into: Path) -> None:
    """Put the adapter's two files into the folder `into`.

    `paths` are one zip, or the files themselves. Raises AdapterUploadError for what is no adapter:
    pickled weights, paths that lead elsewhere, links, encryption, files that are too big.
    """
    if len(paths) == 1 and paths[0].suffix.lower() == ".zip":
        _unpack_zip(paths[0], into)
        return
    refuse_pickles(path.name for path in paths)
    found = {path.name: path for path in paths}
    for name in (CONFIG, WEIGHTS):
        if name not in found:
            raise AdapterUploadError(missing(name, found))
        size = found[name].stat().st_size
        if size > MAX_BYTES:
            raise AdapterUploadError(too_big(name, size))
        with found[name].open("rb") as source:
            _write(_chunks(source, name), into / name)


def refuse_pickles(names: Iterator[str] | Sequence[str]) -> None:
    """Raise AdapterUploadError when one of the files is a pickle."""
    for name in names:
        if name.lower().endswith(PICKLED):
            raise AdapterUploadError(
                f"{name!r:.80} is pickled, and loading a pickle runs whatever code is in it. Save "
                "the adapter as safetensors (peft does so by itself)."
            )


def _unpack_zip(path: Path, into: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive)
            for name, member in members.items():
                with archive.open(member) as source:
                    _write(_chunks(source, name), into / name)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise AdapterUploadError(f"{path.name} is no zip that can be read: {error}.") from error
    except (NotImplementedError, RuntimeError) as error:  # compression or encryption unknown here
        raise AdapterUploadError(f"{path.name} cannot be unpacked: {error}.") from error


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The entries of the two files; every entry is looked at first."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > MAX_ENTRIES:
        raise AdapterUploadError(
            f"The zip has {len(entries):,} files; an adapter has a few, at most {MAX_ENTRIES}."
        )
    for entry in entries:
        _refuse_entry(entry)
    refuse_pickles([entry.filename for entry in entries])
    found: dict[str, zipfile.ZipInfo] = {}
    for name in (CONFIG, WEIGHTS):
        named = [entry for entry in entries if PurePosixPath(entry.filename).name == name]
        if len(named) != 1:
            if named:
                raise AdapterUploadError(f"The zip has {len(named)} files {name}; it takes one.")
            raise AdapterUploadError(missing(name, [entry.filename for entry in entries]))
        found[name] = named[0]
    if len({PurePosixPath(entry.filename).parent for entry in found.values()}) > 1:
        raise AdapterUploadError(f"{CONFIG} and {WEIGHTS} lie in different folders of the zip.")
    return found


def _refuse_entry(entry: zipfile.ZipInfo) -> None:
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in str(path):
        raise AdapterUploadError(f"The zip holds a path that leads out of it: {path!s:.80}")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise AdapterUploadError(f"The zip holds a link, {path!s:.80}; it takes files only.")
    if entry.flag_bits & 1:
        raise AdapterUploadError(f"{path!s:.80} in the zip is encrypted.")
    if entry.file_size > MAX_BYTES:
        raise AdapterUploadError(too_big(str(path), entry.file_size))


def _chunks(source: object, name: str) -> Iterator[bytes]:
    """The content, counted while it comes: what a header says of its size may be a lie."""
    total = 0
    while chunk := source.read(CHUNK):
        total += len(chunk)
        if total > MAX_BYTES:
            raise AdapterUploadError(too_big(name, total))
        yield chunk


def _write(chunks: Iterator[bytes], path: Path) -> None:
    with path.open("wb") as target:
        for chunk in chunks:
            target.write(chunk)


def missing(name: str, found: Sequence[str] | dict[str, Path]) -> str:
    shown = ", ".join(sorted(found)[:5]) or "nothing"
    return f"There is no {name} among the files ({shown:.200}): a peft adapter has it."


def too_big(name: str, size: int) -> str:
    return f"{name!r:.80} has {size:,} bytes unpacked; at most {MAX_BYTES:,} are taken."
