"""The measurement of six columns against one, on a base small enough to take no time."""

import json
import sys

import pytest
import torch
from tokenizers import Tokenizer, models
from torch._subclasses.fake_tensor import FakeTensorMode
from torch._subclasses.functional_tensor import FunctionalTensor, FunctionalTensorMode
from transformers import PreTrainedTokenizerFast

from explorer.lab.bases import BaseMissingError
from explorer.lab.worker import bench_compare
from explorer.lab.worker.view import nbytes
from tests.lab.worker.rows_models import tiny_base

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


@pytest.fixture
def tiny(monkeypatch):
    base = tiny_base()
    base.generation_config.eos_token_id = None
    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(97)}))
    loaded = "tiny", base, PreTrainedTokenizerFast(tokenizer_object=words)
    monkeypatch.setattr(bench_compare, "load", lambda device: loaded)
    return base


def test_it_prints_the_ratio_and_what_memory_holds(tiny, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench", "--rounds", "1", "--tokens", "4", "--prompt", "6"])
    bench_compare.main()
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["ratio"] == pytest.approx(found["six_seconds"] / found["one_seconds"], rel=0.05)
    assert found["plain_ratio"] > 0
    assert 0 < found["six_first_token_seconds"] < found["six_seconds"]
    assert found["columns"][-1] == "base"
    held = found["bytes"]
    assert held["base"] == nbytes(tiny)
    layers, key_values, heads, head_dim, positions = 3, 2, 4, 16, 6 + 4
    plain = layers * 2 * key_values * head_dim * positions * 4
    prompts = 30  # of LLaMA-Excitor, in one layer of three: a share of each a head and position
    assert held["caches"] == 6 * plain + 1 * heads * prompts * positions * 4
    assert held["adapters"] > 0


def test_tensors_without_memory_of_their_own_are_not_counted(tiny):
    before = bench_compare.held_beside(tiny, elsewhere := bench_compare.alive())
    with FakeTensorMode():
        fake = torch.empty(1000)
    with FunctionalTensorMode():
        stands_for = FunctionalTensor.to_functional(torch.ones(1))
    kept = [fake, stands_for, torch.eye(1).to_sparse(), torch.empty(1000, device="meta")]
    real = torch.ones(1000)
    assert 0 <= bench_compare.held_beside(tiny, elsewhere) - before - real.nbytes < 100, kept


def test_six_columns_are_six_different_ones(tiny):
    logits = []
    ids = torch.arange(3, 12)
    for title in bench_compare.ADAPTERS:
        (part,) = bench_compare._column(title, tiny).parts
        with torch.no_grad():
            logits.append(part.model(input_ids=ids[None]).logits)
    logits.append(tiny(input_ids=ids[None]).logits)
    for place, one in enumerate(logits):
        for other in logits[:place]:
            assert (one - other).abs().max() > 1e-5


def test_without_the_embedded_base_random_weights_of_its_shape_serve(monkeypatch):
    def missing(name):
        raise BaseMissingError("not here")

    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    small |= {"num_key_value_heads": 1, "intermediate_size": 48, "vocab_size": 90}
    monkeypatch.setattr(bench_compare, "find_base", missing)
    monkeypatch.setattr(bench_compare, "choose_dtype", lambda asked, device: torch.float32)
    monkeypatch.setattr(bench_compare, "SHAPE", small)
    name, base, tokenizer = bench_compare.load(torch.device("cpu"))
    assert name == "random weights of the embedded base's shape"
    assert base.config.vocab_size == 90
    assert tokenizer.decode([5, 7]) == "w5 w7"
