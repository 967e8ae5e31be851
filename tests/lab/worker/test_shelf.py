import json

import bitsandbytes as bnb
import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from explorer.catalogue.errors import ExplorerError
from explorer.lab.bases import BaseMissingError, UnfitBaseError
from explorer.lab.job import make_job
from explorer.lab.worker.shelf import Shelf, probe
from tests.lab.catalogue import lab_catalogue
from tests.lab.tiny import write_gguf
from tests.lab.worker.conftest import take


def test_a_device_that_is_not_there_is_told(tiny_base):
    with pytest.raises(ExplorerError, match=r"no device 'cuda:99' here; there is: cpu"):
        list(Shelf(torch.device("cuda:99")).get(tiny_base))


def test_a_base_is_loaded_once(shelf, loaded, tiny_base):
    (again,) = shelf.get(tiny_base, precision="float32")
    assert again is loaded
    assert loaded.model.dtype == torch.float32
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())


def test_an_nf4_base_has_double_quantized_linears_and_whole_embeddings(shelf, loaded, tiny_base):
    quantized = take(shelf, tiny_base, quantization="nf4")
    linears = [m for m in quantized.model.modules() if isinstance(m, bnb.nn.Linear4bit)]
    assert len(linears) == 7 * loaded.model.config.num_hidden_layers
    state = linears[0].weight.quant_state
    assert (state.quant_type, state.nested, state.blocksize) == ("nf4", True, 64)
    assert not any(linear.support_avx512bf16_for_cpu for linear in linears)
    assert type(quantized.model.lm_head) is torch.nn.Linear
    original = loaded.model.model.layers[0].mlp.up_proj.weight
    own = quantized.model.model.layers[0].mlp.up_proj.weight
    error = bnb.functional.dequantize_4bit(own.data, own.quant_state) - original
    assert 0.02 < error.norm() / original.norm() < 0.15


def test_an_int8_base_is_closer_than_an_nf4_one(shelf, loaded, tiny_base):
    distances = {}
    for quantization in ("nf4", "int8"):
        model = take(shelf, tiny_base, quantization=quantization).model
        distances[quantization] = float((probe(model) - loaded.probed).abs().max())
    assert 0 < distances["int8"] < distances["nf4"]


def test_a_gguf_folder_gives_the_same_model_and_tokens(shelf, loaded, tmp_path, monkeypatch):
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))
    write_gguf(tmp_path / "tiny.gguf")
    said = [item for item in shelf.get(str(tmp_path), precision="float32") if isinstance(item, str)]
    assert said[0] == "converting tiny.gguf"
    other = take(shelf, str(tmp_path))
    assert torch.equal(probe(other.model), loaded.probed)
    assert other.tokenizer.tokenize("the  12") == loaded.tokenizer.tokenize("the  12")
    assert other.base.config["model_type"] == "llama"
    again = list(shelf.get(str(tmp_path), precision="float32"))
    assert again == [other]


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_a_checkpoint_that_is_stored_quantized_stays_so(shelf, loaded, tiny_base, tmp_path, kind):
    quantized = take(shelf, tiny_base, quantization=kind, double=False)
    quantized.model.save_pretrained(tmp_path)
    quantized.tokenizer.save_pretrained(tmp_path)
    stored = take(shelf, str(tmp_path))
    assert stored.quantization == stored.base.quantization == kind
    assert torch.allclose(stored.probed, quantized.probed, atol=1e-4)
    assert (stored.probed - loaded.probed).abs().max() > 0.01
    other = {"nf4": "int8", "int8": "nf4"}[kind]
    with pytest.raises(UnfitBaseError, match=f"stored in {kind}: it cannot be loaded in {other}"):
        take(shelf, str(tmp_path), quantization=other)
    job = make_job(lab_catalogue(), "order-extraction", "lora", base=str(tmp_path))
    assert job.quantization == kind
    with pytest.raises(ExplorerError, match="does not train on a quantized base"):
        make_job(lab_catalogue(), "order-extraction", "full", base=str(tmp_path))


def test_a_model_that_is_no_llama_is_refused(shelf, tmp_path):
    config = GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=16, n_positions=8)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    with pytest.raises(UnfitBaseError, match="is a 'gpt2' model; the lab runs LLaMA"):
        list(shelf.get(str(tmp_path)))


def test_a_converted_base_whose_bytes_changed_is_refused(shelf, tiny_base, tmp_path, registered):
    folder = tmp_path / "cache" / "bases" / "tiny"
    AutoModelForCausalLM.from_pretrained(tiny_base).save_pretrained(folder)
    files = {p.name: {"bytes": p.stat().st_size, "sha256": "0" * 64} for p in folder.iterdir()}
    (folder / "complete.json").write_text(json.dumps({"files": files}))
    with pytest.raises(BaseMissingError, match="is not what was converted"):
        list(shelf.get("tiny"))
