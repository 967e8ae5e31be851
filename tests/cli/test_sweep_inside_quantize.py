import pytest

from explorer import cli
from tests.cli.asking import refused, run_json
from tests.lab.conftest import runs_here, tiny_base  # noqa: F401  # fixtures

pytestmark = pytest.mark.usefixtures("runs_here")
SMALL = ["--steps", "2", "--batch-size", "2", "--max-length", "400", "--precision", "float32"]


def test_a_sweep_then_a_look_inside(capsys, monkeypatch, tiny_base):  # noqa: F811
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = run_json(capsys, "sweep", "r=1|2", "--base", tiny_base, *SMALL)
    assert [record["settings"] for record in found] == [{"r": 1}, {"r": 2}]
    assert {record["state"] for record in found} == {"done"}
    assert found[1]["trainable"] == 2 * found[0]["trainable"]
    inside = run_json(capsys, "inside", found[1]["run"])
    assert len(inside["changes"]) == 4
    assert all(len(change["singular"]) == 2 for change in inside["changes"])
    assert cli.run(["inside", found[1]["run"]]) == 0
    assert "layer    moved  weights" in capsys.readouterr().out


def test_quantize_prints_errors_and_perplexities(capsys, monkeypatch, tiny_base):  # noqa: F811
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert cli.run(["quantize", "--base", tiny_base, "--site", "down_proj"]) == 0
    out = capsys.readouterr().out
    assert "layer 0, down_proj, [64, 96]" in out
    assert "NF4, double quantization" in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["sweep", "r=8"], "r has one value"),
        (["sweep", "r=4|8", "--method", "lorra"], "mean 'lora'"),
        (["race", "--for", "minut"], "mean 'minute'"),
        (["race", "--seconds", "nan"], "seconds = nan"),
        (["race", "--seconds", "1"], "seconds = 1.0: it takes a number of at least 5"),
        (["race", "--steps", "1000000000"], "at most 100000"),
        (["inside", "nothing"], "There is no run 'nothing'"),
        (["quantize", "--layer", "-1"], "layer = -1: it takes a whole number of at least 0"),
    ],
)
def test_what_cannot_be_is_one_sentence(capsys, words, sentence):
    assert sentence in refused(capsys, *words)
