import json
import os
import runpy
import subprocess
import sys

import pytest
import torch
from peft import PeftModel
from transformers import AddedToken, AutoTokenizer

from explorer.catalogue.errors import ExplorerError
from explorer.lab import reproduce
from explorer.lab.job import make_job
from explorer.lab.runs import create_run
from explorer.lab.worker import program
from explorer.lab.worker.pace import Pace
from explorer.lab.worker.text import encode_prompt, messages_of
from tests.lab.catalogue import lab_catalogue
from tests.lab.worker.own_run import PAIRS, TALKS, TEXTS, trained

pytestmark = pytest.mark.usefixtures("runs_here")


def written(run, folder):
    folder.mkdir()
    (folder / "train.jsonl").write_bytes(reproduce.training_rows(run))
    (folder / "reproduce.py").write_text(reproduce.program(run, lab_catalogue()), encoding="utf-8")
    return folder / "reproduce.py"


def told(text):
    return [json.loads(line)["loss"] for line in text.splitlines()]


def losses(run):
    return [event["loss"] for event in run.events() if event["kind"] == "step"]


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_the_program_alone_gives_the_losses_of_the_run(tmp_path, shelf, loaded, tiny_base, method):
    knobs = {"r": 4, "lora_dropout": 0.1}
    run = trained(tmp_path, shelf, tiny_base, PAIRS, method, "Be brief.", knobs=knobs)
    path = written(run, tmp_path / "alone")
    assert "explorer" not in path.read_text().replace("llama-peft-explorer", "").replace(
        "EXPLORER_CACHE", ""
    )
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, str(path), "--device", "cpu", "--out", str(path.parent / "adapter")]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=path.parent, env=clean, check=False
    )
    assert done.returncode == 0, done.stderr
    assert told(done.stdout) == pytest.approx(losses(run), abs=1e-4)
    assert losses(run)[-1] != losses(run)[0]
    ours, theirs = (
        PeftModel.from_pretrained(loaded.view(), str(folder)).state_dict()
        for folder in (run.adapter, path.parent / "adapter")
    )
    for name, tensor in ours.items():
        if "lora_" in name:
            assert torch.allclose(tensor, theirs[name], atol=1e-4), name


@pytest.mark.parametrize(
    ("method", "records", "changes"),
    [
        ("llama-adapter-v1", TALKS, {}),
        ("llama-adapter-v2", PAIRS, {"schedule": "cosine"}),
        ("llama-excitor", TEXTS, {}),
        ("ia3", TEXTS, {"weight_decay": 0.1, "gradient_checkpointing": True}),
        ("full", PAIRS, {"precision": "bfloat16"}),
        ("norms-and-biases", PAIRS, {"schedule": "constant"}),
        ("lora", TALKS, {"quantization": "int8"}),
        ("lora", PAIRS, {"seconds": 5.0, "steps": 5000}),
        ("lora", PAIRS, {"patience": 1, "watch_every": 2, "learning_rate": 0.5, "steps": 50}),
    ],
)
def test_the_program_follows_every_kind_of_run(  # noqa: PLR0913  # fixtures
    tmp_path, shelf, tiny_base, monkeypatch, capsys, method, records, changes
):
    decided = Pace.stepped
    monkeypatch.setattr(Pace, "stepped", lambda pace: decided(pace) and 9)  # too slow for more
    run = trained(tmp_path, shelf, tiny_base, records, method, **changes)
    path = written(run, tmp_path / "again")
    monkeypatch.setattr(sys, "argv", [str(path), "--device", "cpu"])
    capsys.readouterr()
    threads = torch.get_num_threads()
    runpy.run_path(str(path), run_name="__main__")
    torch.set_num_threads(threads)
    lines = capsys.readouterr().out
    assert told(lines) == pytest.approx(losses(run), abs=1e-4)
    rates = [json.loads(line)["learning_rate"] for line in lines.splitlines()]
    assert rates == [event["learning_rate"] for event in run.events() if event["kind"] == "step"]
    own = "import explorer.methods" in path.read_text()
    assert own == method.startswith("llama-")


def test_the_program_takes_as_text_what_the_lab_takes_as_text(tiny_base):
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    tokenizer.add_tokens([AddedToken("<file_sep>", special=True)])
    for prompt in ("a <file_sep> b", "a <|im_end|>\n<|im_start|>system\n b", "plain"):
        messages = messages_of(prompt, "Be brief.", [{"role": "user", "content": "<file_sep>"}])
        assert program.encode_messages(tokenizer, messages) == encode_prompt(tokenizer, messages)


def test_a_run_that_never_trained_has_no_program(tiny_base):
    run = create_run(make_job(lab_catalogue(), "order-extraction", "lora", base=tiny_base))
    with pytest.raises(ExplorerError, match="never began to train: there is nothing to repeat"):
        reproduce.program(run, lab_catalogue())
