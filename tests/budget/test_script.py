"""The program of a plan: it runs offline, trains what the plan counts, and refuses the rest."""

import re
from pathlib import Path

import bitsandbytes
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from explorer.budget.forecast import forecast
from explorer.budget.plan import make_plan
from explorer.budget.script import OPTIMIZERS as PROGRAMS
from explorer.budget.script import training_script
from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError
from tests.budget.meta import build
from tests.budget.stepping import small

CATALOGUE = load_catalogue()
PLANS = [
    {"method": "full", "checkpointing": True},
    {"method": "norms-and-biases"},
    {"method": "lora", "knobs": {"r": 4, "target_modules": "q_proj,down_proj"}},
    {"method": "lora", "knobs": {"layers_to_transform": "1,2"}, "optimizer": "momentum"},
    {"method": "qlora", "quantization": "nf4", "double_quantization": True, "checkpointing": True},
    {"method": "lora", "quantization": "int8", "skipped_modules": ("lm_head", "q_proj")},
    {"method": "llama-adapter-v1", "attention": "eager", "loss_positions": 4},
    {"method": "llama-adapter-v2", "accumulation": 2},
    {"method": "llama-excitor", "optimizer": "adafactor"},
    {"method": "ia3", "adapter_dtype": "bfloat16"},
    {"method": "vera"},
    {"method": "prompt-tuning", "optimizer": "sgd"},
]


def planned(arch, **values):
    settings = {"model": "small", "architecture": arch, "hardware": "cpu-2core", "length": 16}
    return forecast(make_plan(**(settings | values)), CATALOGUE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of random weights with a tokenizer, and a text, on this disk."""
    path = tmp_path_factory.mktemp("small")
    build(small()).save_pretrained(path)
    words = {chr(97 + i): i for i in range(26)} | {"[UNK]": 26}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(path)
    (path / "text.txt").write_text("the quick brown fox jumps over the lazy dog " * 4)
    return path


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("values", PLANS, ids=str)
def test_the_program_trains_as_many_numbers_as_the_plan_counts(folder, capsys, values):
    budget = planned(small(), **values)
    source = training_script(budget.resolved, CATALOGUE)
    namespace = {"__name__": "program", "__file__": "program.py"}
    exec(compile(source, "program.py", "exec"), namespace)  # our own text
    namespace["main"](str(folder), str(folder / "text.txt"), 2)
    printed = capsys.readouterr().out
    trained = int(re.search(r"trains ([\d,]+) parameters", printed).group(1).replace(",", ""))
    assert trained == budget.resolved.trainable.total
    losses = [float(loss) for loss in re.findall(r"loss ([\d.]+)", printed)]
    assert len(losses) == 2
    assert all(0 < loss < 20 for loss in losses)


@pytest.mark.parametrize(
    "method", [method.id for method in CATALOGUE.methods.values() if not method.unsupported]
)
def test_every_methods_program_is_python(method):
    source = training_script(planned(small(), method=method).resolved, CATALOGUE)
    compile(source, "program.py", "exec")
    assert max(map(len, source.splitlines())) < 200
    assert str(Path.home()) not in source


def test_the_program_says_where_the_model_comes_from_and_how_long_to_train():
    values = {"method": "qlora", "quantization": "nf4", "batch": 4, "length": 512}
    plan = make_plan(model="llama-3.2-11b-vision", tokens=2_048_000, **values)
    source = training_script(forecast(plan, CATALOGUE).resolved, CATALOGUE)
    assert 'MODEL = "meta-llama/Llama-3.2-11B-Vision' in source
    assert "AutoModelForImageTextToText.from_pretrained" in source
    assert "STEPS = 1000" in source


@pytest.mark.parametrize("optimizer", PROGRAMS)
def test_every_optimizer_is_one_that_its_library_has(optimizer):
    maker = PROGRAMS[optimizer].split("(")[0]
    library, _, path = maker.partition(".")
    found = {"torch": torch, "bitsandbytes": bitsandbytes}[library]
    for name in path.split("."):
        found = getattr(found, name)
    assert issubclass(found, torch.optim.Optimizer)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"mode": "inference"}, "choose mode training"),
        ({"devices": 2, "sharding": "ddp"}, "one device"),
        ({"method": "xlora"}, "There is no program for what cannot be run. X-LoRA"),
        ({"loss_chunk": 8}, "set loss_chunk to 0"),
        ({"loss_float32": False}, "leave loss_float32 on"),
        ({"padded": True}, "leave padded off"),
        ({"master_weights": True}, "leave master_weights off"),
        ({"optimizer_dtype": "bfloat16"}, "leave optimizer_dtype unset"),
        ({"optimizer": "lion", "optimizer_dtype": "bfloat16"}, "lion holds its states in float32"),
        ({"quantization": "nf4", "quantization_block": 128}, "set quantization_block to 64"),
        ({"quantization": "nf4", "method": "loha"}, "what cannot be run. LoHa does not train"),
    ],
)
def test_what_no_plain_program_does_is_refused(values, sentence):
    with pytest.raises(ExplorerError, match=sentence):
        training_script(planned(small(), **values).resolved, CATALOGUE)
