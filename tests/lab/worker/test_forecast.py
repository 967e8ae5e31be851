import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from explorer.lab.datasets import Row
from explorer.lab.job import TrainJob
from explorer.lab.worker.evaluate import encode_rows
from explorer.lab.worker.forecast import demanding_batches, forecast_run
from explorer.lab.worker.sharing import Sharing
from explorer.lab.worker.text import Encoded, pad_id
from explorer.lab.worker.trainer import Trainer
from explorer.lab.worker.view import privatize
from explorer.methods.attach import attach
from tests.lab.worker.conftest import take

ALONE = Sharing(torch.device("cpu"))
RACE = ["lora", "qlora", "llama-adapter-v1", "llama-adapter-v2", "llama-excitor", "full"]
CASES = [(method, kind) for kind in ("float32", "bfloat16") for method in RACE]


def job(method, **changes):
    values = {"task": "-", "method": method, "steps": 4, "batch_size": 4, "learning_rate": 1e-3}
    return TrainJob(**values | changes)


@pytest.fixture(scope="module")
def base(tmp_path_factory, loaded):
    """The folder of a model that is big enough for its activations to be most of the memory."""
    folder = tmp_path_factory.mktemp("bigger")
    config = LlamaConfig(
        vocab_size=loaded.model.config.vocab_size, hidden_size=192, intermediate_size=512,
        num_hidden_layers=6, num_attention_heads=6, num_key_value_heads=2,
        max_position_embeddings=512, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def rows(loaded):
    """Long rows."""
    given = [Row(prompt="a red fox " * n, completion="the big old house") for n in range(8, 12)]
    return encode_rows(loaded.tokenizer, given, None, 400)


@pytest.mark.parametrize(("method", "precision"), [*CASES, ("ia3", "float32")])
def test_the_forecast_is_what_is_then_measured(shelf, base, rows, method, precision):
    asked = job(method, quantization="nf4" if method == "qlora" else "none")
    loaded = take(shelf, base, quantization=asked.quantization, precision=precision)
    said = forecast_run(asked, loaded, rows, ALONE)
    model = attach(loaded.view(), method, asked.knobs)
    privatize(model, loaded.model)
    training = Trainer(model, asked, rows, pad_id(loaded.tokenizer))
    for _ in training.steps():
        pass
    assert said["trainable"] == sum(p.numel() for p in training.trainable)
    peak, parts = training.peak()
    assert said["bytes"] == pytest.approx(peak, rel=0.1)
    assert said["terms"]["adapter"] in (parts["trainable"], 0)
    assert said["terms"]["master_copies"] == parts["master_copies"]


def test_only_batches_that_no_other_exceeds_are_forecast():
    rows = [Encoded(tuple(range(length)), start) for length, start in ((10, 8), (20, 18), (15, 5))]
    asked = job("lora", batch_size=1, steps=3)
    assert set(demanding_batches(asked, rows, ALONE)) == {(20, 3, False), (15, 11, False)}


def test_what_cannot_be_forecast_is_said(loaded, rows):
    said = forecast_run(job("no-such-method"), loaded, rows, ALONE)
    assert said.keys() == {"notes"}
    assert "no-such-method" in said["notes"][0]
