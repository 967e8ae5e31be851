"""Every method does what its data file says it does, and cannot do what the file says it cannot."""

import dataclasses
import json
import subprocess
import sys

import pytest
import torch
from peft import XLoraConfig, get_peft_model
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

from explorer.catalogue.capability import Capability
from explorer.methods import registry
from explorer.methods.attach import attach
from tests.methods import contract

NAMES = registry.names()
PEFT_NAMES = [name for name in NAMES if registry.record(name).peft_type]
MEASURED = [ability for ability in Capability.abilities() if ability != "saves"]

# What peft says of its own accord, in ways that do not matter here.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{message}")
    for message in (
        "Position ids are not supported for parameter efficient tuning",
        "Detected that the base layer has no bias term",
        "Failed to load the CUDA extension",
        "Setting boft_n_butterfly_factor to 1",
        "Unsupported layer type '<class 'transformers.models.llama.modeling_llama.LlamaRMSNorm'>'",
        "Merge lora module to 4-bit linear may get different generations",
        "Sparse invariant checks are implicitly disabled",
        "`torch.jit.script_method` is deprecated",
        "`is_gradient_checkpointing` is deprecated",
        "Could not find a config file in",
    )
]


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("ability", MEASURED)
@pytest.mark.parametrize("method_id", NAMES)
def test_a_method_can_do_what_its_file_says_and_nothing_more(method_id, ability):
    check = getattr(contract, f"check_{ability}")
    if getattr(registry.record(method_id).capability, ability):
        check(method_id)
    else:
        with pytest.raises(Exception):  # noqa: B017, PT011  # in whatever way
            check(method_id)


@pytest.mark.parametrize("method_id", NAMES)
def test_a_method_starts_as_the_base_model_exactly_if_its_file_says_so(method_id):
    if registry.record(method_id).starts_as_base:
        contract.check_starts_as_base(method_id)
    else:
        with pytest.raises(AssertionError):
            contract.check_starts_as_base(method_id)


@pytest.mark.parametrize("kind", contract.WIDTHS)
def test_a_method_that_cannot_train_on_a_quantized_base_is_refused_with_the_reason(kind):
    refused = [name for name in NAMES if not registry.record(name).trains_on(kind)]
    assert "full" in refused
    for method_id in refused:
        reason = registry.record(method_id).why_not_on(kind)
        with pytest.raises(registry.MethodError) as refusal:
            attach(contract.quantized(kind), method_id)
        assert f"({kind}): {reason}" in str(refusal.value)


def test_saved_methods_give_the_same_logits_in_a_fresh_process(tmp_path):
    wanted = {name: contract.save(name, tmp_path) for name in NAMES}
    run = subprocess.run(
        [sys.executable, "-m", "tests.methods.contract", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    failed = json.loads(run.stdout.splitlines()[-1])
    for name in NAMES:
        told = registry.record(name).capability.saves
        same = name not in failed and torch.allclose(
            torch.load(tmp_path / f"{name}.pt"), wanted[name], rtol=1e-4, atol=1e-5
        )
        assert same == told, (name, failed.get(name, "other logits"))


@pytest.mark.parametrize("method_id", PEFT_NAMES)
def test_knobs_and_fixed_settings_are_those_of_the_peft_configuration(method_id):
    record = registry.record(method_id)
    config = PEFT_TYPE_TO_CONFIG_MAPPING[record.peft_type]
    known = {field.name for field in dataclasses.fields(config)} | {
        name for name in vars(config) if not name.startswith("_")
    }
    assert set(record.knobs) | set(record.fixed) <= known
    built = registry.build_config(method_id, contract.TINY.get(method_id))
    for name, value in record.read_knobs(contract.TINY.get(method_id)).items():
        if value is not None:
            assert as_plain(getattr(built, name)) == as_plain(value), name


def as_plain(value):
    """A knob's value as peft keeps it: lists as sets, choices as members of an enumeration."""
    if isinstance(value, list | tuple | set):
        return sorted(value)
    return getattr(value, "value", value)


@pytest.mark.parametrize("method_id", ["poly", "multitask-prompt-tuning", "xlora"])
def test_an_unsupported_method_is_refused_with_the_reason(method_id):
    with pytest.raises(registry.MethodError, match="does not run here") as refusal:
        attach(contract.base(), method_id)
    assert registry.records()[method_id].unsupported in str(refusal.value)


@pytest.mark.parametrize("method_id", ["poly", "multitask-prompt-tuning"])
def test_methods_that_route_by_task_do_not_run_on_text_alone(method_id):
    record = registry.records()[method_id]
    settings = {n: list(v) if isinstance(v, tuple) else v for n, v in record.read_knobs().items()}
    config = PEFT_TYPE_TO_CONFIG_MAPPING[record.peft_type](task_type="CAUSAL_LM", **settings)
    with pytest.raises(ValueError, match=r"task_ids (should not|cannot) be None"):
        contract.logits(get_peft_model(contract.base(), config))


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors is a no-op")
def test_x_lora_has_nothing_to_train_without_trained_adapters():
    base = contract.base()
    base.config.use_cache = False
    config = XLoraConfig(task_type="CAUSAL_LM", hidden_size=base.config.hidden_size, adapters={})
    model = get_peft_model(base, config)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 0


def test_the_supported_and_unsupported_methods_are_all_of_peft():
    described = {record.peft_type for record in registry.records().values()}
    assert {peft_type.value for peft_type in PEFT_TYPE_TO_CONFIG_MAPPING} <= described
