import json
import stat
import struct
import zipfile

import pytest

from explorer.lab.own_adapters import unpack as unpacking
from explorer.lab.own_adapters.unpack import CONFIG, WEIGHTS, AdapterUploadError, unpack

FILES = {CONFIG: b"{}", WEIGHTS: b"weights"}


def zipped(tmp_path, files, **info):
    path = tmp_path / "brought.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            for key, value in info.items():
                setattr(entry, key, value)
            archive.writestr(entry, content)
    return path


def taken(tmp_path, *paths):
    into = tmp_path / "into"
    into.mkdir()
    unpack(paths, into)
    return {path.name: path.read_bytes() for path in into.iterdir()}


@pytest.mark.parametrize("folder", ["", "adapter/", "deep/er/"])
def test_the_two_files_are_taken_out_of_a_zip_and_nothing_else(tmp_path, folder):
    files = {folder + name: content for name, content in FILES.items()}
    path = zipped(tmp_path, files | {folder + "README.md": b"x", "run.py": b"import os"})
    assert taken(tmp_path, path) == FILES


def test_loose_files_are_taken(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    assert taken(tmp_path, tmp_path / CONFIG, tmp_path / WEIGHTS) == FILES


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"../evil.json": b""}, "leads out of it"),
        ({"/etc/passwd": b""}, "leads out of it"),
        ({"a/../../b": b""}, "leads out of it"),
        ({"C:\\evil": b""}, "leads out of it"),
        ({"..\\evil": b""}, "leads out of it"),
        ({CONFIG: b"{}", "adapter_model.bin": b"pickle"}, "is pickled"),
        ({**FILES, "training_args.BIN": b""}, "is pickled"),
        ({WEIGHTS: b""}, "There is no adapter_config.json"),
        ({CONFIG: b""}, "There is no adapter_model.safetensors"),
        ({f"a/{CONFIG}": b"", f"b/{WEIGHTS}": b""}, "different folders"),
        ({**FILES, f"b/{WEIGHTS}": b""}, "has 2 files adapter_model.safetensors"),
        ({f"f{i}": b"" for i in range(300)}, "has 300 files"),
    ],
)
def test_a_zip_that_is_no_plain_adapter_is_refused(tmp_path, files, sentence):
    path = zipped(tmp_path, files)
    with pytest.raises(AdapterUploadError, match=sentence):
        taken(tmp_path, path)
    assert [p.name for p in (tmp_path / "into").iterdir()] == []


def test_a_link_is_refused(tmp_path):
    path = zipped(tmp_path, FILES, external_attr=(stat.S_IFLNK | 0o777) << 16)
    with pytest.raises(AdapterUploadError, match="holds a link"):
        taken(tmp_path, path)


def test_a_zip_bomb_is_refused_by_what_it_says_and_by_what_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "MAX_BYTES", 1000)
    path = zipped(tmp_path, {CONFIG: b"{}", WEIGHTS: b"0" * 100_000})
    with pytest.raises(AdapterUploadError, match="has 100,000 bytes unpacked; at most 1,000"):
        taken(tmp_path, path)
    # a header that lies: the size in the directory is set to 10
    content = path.read_bytes()
    lying = content.replace(struct.pack("<L", 100_000), struct.pack("<L", 10))
    path.write_bytes(lying)
    (tmp_path / "into").rmdir()
    with pytest.raises(AdapterUploadError):
        taken(tmp_path, path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half", b"no zip at all"])
def test_what_is_no_zip_is_told(tmp_path, content):
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    with pytest.raises(AdapterUploadError, match="no zip that can be read"):
        taken(tmp_path, path)


def test_an_encrypted_zip_is_told(tmp_path):
    path = zipped(tmp_path, {**FILES, "a": json.dumps({}).encode()})
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    content[directory + 8] |= 1
    path.write_bytes(bytes(content))
    with pytest.raises(AdapterUploadError, match="encrypted"):
        taken(tmp_path, path)
