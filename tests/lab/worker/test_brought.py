"""Adapters that visitors bring: what is taken answers as it did, what is not leaves no trace."""

import json
import zipfile

import pytest
import torch
from peft import get_peft_model
from safetensors.torch import load_file, save_file

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import UnknownNameError
from explorer.lab.own_adapters.store import find_adapter, keep_adapter
from explorer.lab.worker import adapters
from explorer.lab.worker.adapters import (
    CONFIG,
    WEIGHTS,
    AdapterError,
    UnfitAdapterError,
    load_adapter,
    save_adapter,
)
from explorer.lab.worker.view import privatize
from explorer.methods.attach import attach
from explorer.methods.registry import build_config, records
from tests.lab.worker.conftest import take
from tests.methods import contract

pytestmark = [
    pytest.mark.usefixtures("runs_here"),
    pytest.mark.filterwarnings("ignore"),  # of peft, about settings of a start
]
IDS = torch.arange(20, 30)[None]
INERT = {"config_A_B": "none"}  # what is left of GLoRA acts on biases, and there are none
HUB = "HuggingFaceTB/SmolLM2-135M-Instruct"


def logits(model):
    with torch.no_grad():
        return model.eval()(input_ids=IDS, use_cache=False).logits[:, -IDS.shape[1] :]


def forms():
    """Every method with an adapter, as it is and with each other choice that a knob offers."""
    for method in records().values():
        if method.peft_type is None or method.unsupported or method.recipe:
            continue
        yield method.id, {}
        for name, knob in method.knobs.items():
            others = {"choice": knob.choices, "bool": (True, False)}.get(knob.type, ())
            yield from ((method.id, {name: other}) for other in others if other != knob.default)


@pytest.fixture(scope="module")
def catalogue():
    return load_catalogue()


@pytest.fixture
def saved(loaded, tmp_path):
    """Train a method's start a little out of place, and save it as a run does."""

    def make(method="lora", **knobs):
        torch.manual_seed(0)
        model = attach(loaded.view(), method, contract.TINY.get(method, {}) | knobs)
        privatize(model, loaded.model)
        contract.stir(model)
        save_adapter(model, tmp_path / "adapter", HUB)
        return model, tmp_path / "adapter"

    return make


@pytest.fixture
def bring(catalogue, tmp_path):
    """Keep the two files of a folder, after a change of the settings and the tensors."""

    def keep(folder, change=lambda tensors: None, **settings):
        config = json.loads((folder / CONFIG).read_text()) | settings
        (folder / CONFIG).write_text(json.dumps(config))
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS, {"format": "pt"})
        with zipfile.ZipFile(tmp_path / "adapter.zip", "w") as archive:
            for path in sorted(folder.iterdir()):
                archive.write(path, f"adapter/{path.name}")
        return keep_adapter([tmp_path / "adapter.zip"], catalogue)

    return keep


@pytest.mark.parametrize(("method", "knobs"), [*forms()])
def test_an_adapter_brought_back_answers_as_it_did(loaded, saved, bring, method, knobs):
    before = logits(loaded.model)
    model, folder = saved(method, **knobs)
    wanted = logits(model)
    again = load_adapter(loaded, bring(folder).files)
    assert (logits(again) - wanted).abs().max() < 1e-4
    assert torch.equal(logits(loaded.model), before)  # the base is everybody's
    assert (wanted - before).abs().max() > 1e-4 or knobs == INERT


def test_a_pattern_that_backtracks_without_end_is_not_tried(loaded, saved, bring):
    model, folder = saved()
    wanted = logits(model)
    brought = bring(folder, target_modules="(([a-z0-9_.])+)+!", exclude_modules="(a|a)*!")
    assert torch.allclose(logits(load_adapter(loaded, brought.files)), wanted, atol=1e-5)


def test_a_plain_pattern_means_what_it_meant(loaded, tmp_path, bring):
    config = build_config("lora", {"r": 4})
    config.target_modules = r".*layers\.1\..*q_proj"
    model = contract.stir(get_peft_model(loaded.view(), config))
    save_adapter(model, tmp_path / "adapter", HUB)
    again = load_adapter(loaded, bring(tmp_path / "adapter").files)
    assert torch.allclose(logits(again), logits(model), atol=1e-5)


@pytest.mark.parametrize("target", ["lm_head", "embed_tokens"])
def test_a_head_s_adapter_comes_with_the_base_s_weight_which_has_to_be_the_same(
    loaded, tmp_path, bring, target
):
    before = logits(loaded.model)
    config = build_config("lora", {"r": 4})
    config.target_modules = {target, "q_proj"}
    model = contract.stir(get_peft_model(loaded.view(), config))
    model.peft_config["default"].base_model_name_or_path = HUB
    model.save_pretrained(tmp_path / "adapter")  # as peft does it by itself
    wanted = logits(model)
    again = load_adapter(loaded, bring(tmp_path / "adapter").files)
    assert torch.allclose(logits(again), wanted, atol=1e-5)
    name = next(n for n in load_file(tmp_path / "adapter" / WEIGHTS) if "base_layer" in n)
    changed = bring(tmp_path / "adapter", lambda tensors: tensors[name][0].add_(1))
    with pytest.raises(UnfitAdapterError, match=r"brings a weight of the base, .* another here"):
        load_adapter(loaded, changed.files)
    assert torch.equal(logits(loaded.model), before)


@pytest.mark.parametrize(
    ("method", "settings", "sentence"),
    [
        ("lora", {"r": 1000}, r"lora_A.weight has \[8, 64\], \[1000, 64\] is needed"),
        ("lora", {"rank_pattern": {"v_proj": 10**8}}, r"\[100000000, 64\] is needed"),
        ("lora", {"modules_to_save": ["lm_head"]}, "lm_head.weight is missing"),
        ("lora", {"use_dora": True}, "lora_magnitude_vector is missing"),
        ("prompt-tuning", {"num_virtual_tokens": 1000}, r"has \[5, 64\], \[1000, 64\]"),
        ("llama-adapter-v1", {"adapter_len": 1000}, r"\[1000, 64\] is needed"),
        ("lora", {"rank_pattern": {"v_proj": -1}}, "does not fit .*positive"),
    ],
)
def test_sizes_are_held_against_the_tensors_before_anything_is_allocated(  # noqa: PLR0913
    loaded, saved, bring, monkeypatch, method, settings, sentence
):
    _, folder = saved(method)
    brought = bring(folder, **settings)
    monkeypatch.setattr(adapters, "guard_base", lambda *_: pytest.fail("it went on to build it"))
    with pytest.raises(UnfitAdapterError, match=sentence):
        load_adapter(loaded, brought.files)


def test_a_tensor_of_the_base_s_name_is_refused_and_not_written(loaded, saved, bring):
    before = logits(loaded.model)
    name = "base_model.model.model.layers.0.mlp.up_proj.weight"
    for method in ("lora", "fourierft"):  # one that is set up on the meta device, one that is not
        _, folder = saved(method)
        brought = bring(folder, lambda tensors: tensors.update({name: torch.zeros(96, 64)}))
        with pytest.raises(UnfitAdapterError, match=r"nothing takes its tensor .*up_proj"):
            load_adapter(loaded, brought.files)
        assert torch.equal(logits(loaded.model), before)


def test_an_adapter_that_does_not_fit_is_deleted_unless_it_was_read_before(loaded, saved, bring):
    _, folder = saved()
    good = bring(folder)
    load_adapter(loaded, good.files)
    bad = bring(folder, r=4)
    with pytest.raises(UnfitAdapterError, match=r"is needed\. It was deleted\.$"):
        load_adapter(loaded, bad.files)
    with pytest.raises(UnknownNameError, match="may have been deleted"):
        find_adapter(bad.id)
    (good.files / WEIGHTS).write_bytes(b"spoilt")
    with pytest.raises(UnfitAdapterError) as told:
        load_adapter(loaded, good.files)
    assert "deleted" not in str(told.value)
    assert find_adapter(good.id)


def test_what_does_not_fit_a_quantized_base_is_not_deleted(shelf, loaded, tiny_base, saved, bring):
    _, folder = saved(init_lora_weights="pissa")
    brought = bring(folder)
    quantized = take(shelf, tiny_base, quantization="nf4")
    with pytest.raises(UnfitAdapterError, match=r"does not fit .* PiSSA under float32"):
        load_adapter(quantized, brought.files)
    load_adapter(loaded, brought.files)


def test_a_lack_of_memory_is_told_and_nothing_deleted(loaded, saved, bring, monkeypatch):
    _, folder = saved()
    brought = bring(folder)

    def lack(*_):
        raise RuntimeError(
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 TB."
        )

    monkeypatch.setattr(adapters, "guard_base", lack)
    with pytest.raises(AdapterError, match="There is no memory for the adapter") as told:
        load_adapter(loaded, brought.files)
    assert not isinstance(told.value, UnfitAdapterError)
    assert find_adapter(brought.id)


def test_a_run_s_adapter_that_does_not_fit_stays(loaded, saved):
    _, folder = saved()
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | {"r": 4}))
    with pytest.raises(UnfitAdapterError):
        load_adapter(loaded, folder)
    assert folder.is_dir()
