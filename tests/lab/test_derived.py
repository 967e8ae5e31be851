import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from explorer.lab import derived
from explorer.lab.base_folder import Base, UnfitBaseError
from explorer.lab.derived import GIB, QuotaError, make_room
from explorer.lab.job import TrainJob
from explorer.lab.runs import create_run
from tests.lab.tiny import weights, write_gguf

MIB = 2**20
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def kept(runs_here, tmp_path, monkeypatch):
    """Three derived checkpoints of a MiB each, made one after the other: merged, GGUF, merged."""
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))
    runs = [merged_run(), merged_run()]
    gguf = tmp_path / "cache" / "gguf" / "abc"
    folders = [runs[0].folder / "merged", gguf, runs[1].folder / "merged"]
    for number, folder in enumerate(folders):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.safetensors").write_bytes(b"\0" * MIB)
        os.utime(folder, (number, number))
    (tmp_path / "cache" / "gguf" / ".converting-1").mkdir()  # somebody is at it
    (tmp_path / "cache" / "bases" / "tiny").mkdir(parents=True)
    return folders


def merged_run():
    run = create_run(TrainJob(task="order-extraction", method="lora", steps=5, learning_rate=1e-3))
    run.adapter.mkdir()
    (run.adapter / "adapter_model.safetensors").write_bytes(b"\0" * MIB)
    return run


def allow(monkeypatch, mebibytes):
    monkeypatch.setenv("EXPLORER_DERIVED_GIB", str(mebibytes * MIB / GIB))


def test_what_fits_removes_nothing(kept, tmp_path, monkeypatch):
    allow(monkeypatch, 5)
    assert make_room(2 * MIB, "A merged checkpoint", tmp_path) == []
    assert [item.folder for item in derived.derived()] == kept


def test_the_oldest_make_room_and_runs_keep_their_adapters(kept, tmp_path, monkeypatch):
    allow(monkeypatch, 3)
    assert make_room(3 * MIB // 2, "A merged checkpoint", tmp_path) == kept[:2]
    assert [item.folder for item in derived.derived()] == kept[2:]
    for folder in (kept[0].parent, kept[2].parent):
        assert (folder / "adapter" / "adapter_model.safetensors").stat().st_size == MIB
        assert (folder / "job.json").is_file()
    assert (tmp_path / "cache" / "bases" / "tiny").is_dir()
    assert (tmp_path / "cache" / "gguf" / ".converting-1").is_dir()
    assert not list(tmp_path.rglob("*-removed"))


def test_more_than_the_limit_is_refused_and_removes_nothing(kept, tmp_path, monkeypatch):
    allow(monkeypatch, 3)
    with pytest.raises(QuotaError, match=r"takes about 4 MiB; .* may take 3 MiB\. Set EXPLORER_"):
        make_room(4 * MIB, "A merged checkpoint", tmp_path)
    assert [item.folder for item in derived.derived()] == kept


def test_a_full_disk_counts_as_the_limit_does(kept, tmp_path, monkeypatch):
    real = shutil.rmtree
    free = [MIB]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, free[0]))

    def freeing(path, ignore_errors=False):
        free[0] += MIB if Path(path).is_dir() else 0
        real(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", freeing)
    with pytest.raises(QuotaError, match="takes about 5 MiB, and the disk has 1 MiB free: delete"):
        make_room(5 * MIB, "A merged checkpoint", tmp_path / "not" / "there" / "yet")
    assert [item.folder for item in derived.derived()] == kept
    assert make_room(2 * MIB, "A merged checkpoint", tmp_path) == kept[:1]


@pytest.mark.parametrize("text", ["many", "0", "-1", "nan", "inf"])
def test_a_limit_that_is_none_is_told(monkeypatch, text):
    monkeypatch.setenv("EXPLORER_DERIVED_GIB", text)
    with pytest.raises(QuotaError, match=f"EXPLORER_DERIVED_GIB = '{text}': it takes a number"):
        derived.derived_limit()


def test_a_conversion_is_as_big_as_its_numbers_not_as_its_file(tmp_path):
    write_gguf(tmp_path / "tiny.gguf")
    numbers = sum(tensor.size for tensor in weights().values())
    base = Base("tiny", tmp_path, "gguf", "tiny.gguf")
    assert derived.converted_bytes(base) == derived.merged_bytes(base) == 4 * numbers


def test_what_is_taken_is_told(kept, monkeypatch):
    monkeypatch.setenv("EXPLORER_DERIVED_GIB", "2")
    assert derived.told_room().startswith("Merged and converted checkpoints take 3 MiB of 2.0 GiB;")


@pytest.mark.parametrize("content", [b"GGUF", b"GGUF" + b"\xff" * 200, b"GGUF\x03"])
def test_a_file_that_only_begins_as_gguf_is_told(tmp_path, content):
    (tmp_path / "a.gguf").write_bytes(content)
    base = Base("mine", tmp_path, "gguf", "a.gguf")
    with pytest.raises(UnfitBaseError, match=r"a\.gguf cannot be read as GGUF"):
        derived.converted_bytes(base)
