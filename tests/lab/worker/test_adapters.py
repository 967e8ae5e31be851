import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from explorer.lab.worker.adapters import AdapterError, load_adapter, save_adapter
from explorer.lab.worker.view import privatize
from explorer.methods.attach import attach
from explorer.methods.registry import names, records
from tests.methods import contract

IDS = torch.arange(20, 30)[None]


def logits(model):
    with torch.no_grad():
        return model.eval()(input_ids=IDS, use_cache=False).logits


def trained(loaded, method):
    model = attach(loaded.view(), method)
    privatize(model, loaded.model)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn_like(parameter)
    return model


@pytest.mark.parametrize(
    "method", ["lora", "llama-adapter-v1", "llama-excitor", "norms-and-biases", "full", "ia3"]
)
def test_what_was_saved_gives_the_same_logits_on_the_same_base(loaded, tmp_path, method):
    model = trained(loaded, method)
    size = save_adapter(model, tmp_path / "adapter", "some/base")
    assert size == sum(p.stat().st_size for p in (tmp_path / "adapter").iterdir())
    again = load_adapter(loaded, tmp_path / "adapter")
    assert torch.allclose(logits(again), logits(model), atol=1e-6)
    assert (logits(again) - logits(loaded.model)).abs().max() > 1e-3
    trainable = sum(p.nbytes for p in model.parameters() if p.requires_grad)
    weights = [p for p in (tmp_path / "adapter").iterdir() if p.suffix == ".safetensors"]
    assert weights[0].stat().st_size < trainable + 20_000  # and nothing of the base


def test_a_saved_adapter_is_a_peft_folder_without_paths_of_this_machine(loaded, tmp_path):
    save_adapter(trained(loaded, "lora"), tmp_path / "adapter", "some/base")
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "some/base"
    for path in (tmp_path / "adapter").iterdir():
        assert str(tmp_path).encode() not in path.read_bytes()
        assert str(loaded.base.folder).encode() not in path.read_bytes()


def test_saving_again_replaces_what_was_there(loaded, tmp_path):
    save_adapter(trained(loaded, "full"), tmp_path / "adapter", "b")
    save_adapter(trained(loaded, "lora"), tmp_path / "adapter", "b")
    names = {path.name for path in (tmp_path / "adapter").iterdir()}
    assert "trained.safetensors" not in names
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_a_run_without_an_adapter_and_a_broken_one_are_told(loaded, tmp_path):
    with pytest.raises(AdapterError, match="has no adapter: it ended before one was saved"):
        load_adapter(loaded, tmp_path / "adapter")
    save_adapter(trained(loaded, "lora"), tmp_path / "adapter", "b")
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"broken")
    with pytest.raises(AdapterError, match="does not fit"):
        load_adapter(loaded, tmp_path / "adapter")


def test_tensors_of_another_shape_are_refused(loaded, tmp_path):
    model = trained(loaded, "full")
    model.model.norm.weight = torch.nn.Parameter(torch.ones(8))
    save_adapter(model, tmp_path / "adapter", "b")
    with pytest.raises(AdapterError, match=r"do not fit the base: model\.norm\.weight differs"):
        load_adapter(loaded, tmp_path / "adapter")


@pytest.mark.filterwarnings("ignore:Found missing adapter keys")  # what peft makes of it
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda tensors: tensors.pop(next(iter(tensors))), "is missing"),
        (lambda tensors: tensors.update(extra=torch.zeros(1)), "nothing takes its tensor extra"),
    ],
)
def test_an_adapter_with_tensors_too_few_or_too_many_is_refused(loaded, tmp_path, change, sentence):
    save_adapter(trained(loaded, "lora"), tmp_path / "adapter", "b")
    path = tmp_path / "adapter" / "adapter_model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    with pytest.raises(AdapterError, match=sentence):
        load_adapter(loaded, tmp_path / "adapter")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", [n for n in names() if records()[n].peft_type])
def test_every_saved_adapter_has_all_its_tensors(loaded, tmp_path, method):
    model = attach(loaded.view(), method, contract.TINY.get(method, {}))
    save_adapter(model, tmp_path / "adapter", "b")
    load_adapter(loaded, tmp_path / "adapter")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_an_adapter_that_holds_no_numbers_is_refused(loaded, tmp_path, method, value):
    save_adapter(trained(loaded, method), tmp_path / "adapter", "b")
    (path,) = (tmp_path / "adapter").glob("*.safetensors")
    tensors = load_file(path)
    name = max(tensors)
    tensors[name].view(-1)[-1] = value
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(AdapterError, match=r"holds NaN or infinite values"):
        load_adapter(loaded, tmp_path / "adapter")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/maps")
def test_an_adapter_s_numbers_are_pages_of_its_file_and_outlive_it(loaded, tmp_path):
    model = trained(loaded, "lora")
    save_adapter(model, tmp_path / "adapter", "b")
    again = load_adapter(loaded, tmp_path / "adapter")
    lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if ".safet" in line]
    pages = [range(*(int(end, 16) for end in line.split()[0].split("-"))) for line in lines]
    own = [p for name, p in again.named_parameters() if "lora_" in name]
    assert own
    assert all(any(p.data_ptr() in page for page in pages) for p in own)
    shutil.rmtree(tmp_path / "adapter")  # a visitor deletes the run in the meantime
    assert torch.allclose(logits(again), logits(model), atol=1e-6)
