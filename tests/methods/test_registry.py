"""The registry: names, knobs read and refused in sentences, targets that a model does not have."""

import bitsandbytes as bnb
import pytest
import torch

from explorer.catalogue.errors import ExplorerError, UnknownNameError
from explorer.methods import registry
from explorer.methods.attach import attach, linear_names
from explorer.methods.quantization import (
    QuantizedBaseError,
    prepare_quantized,
    quantization_of,
    quantized_linears,
)
from tests.methods import contract

SURVEY = ["llama-adapter-v1", "llama-adapter-v2", "llama-excitor", "lora", "qlora"]
OUTSIDE = [
    (name, knob_name, value)
    for name in registry.names()
    for knob_name, knob in registry.record(name).knobs.items()
    for value in (
        *([knob.min - 1, knob.max + 1] if knob.type in ("int", "float") else []),
        *([knob.default + 1] if knob.even else []),
        *(["certainly not"] if knob.type != "sites" else ["not a name"]),
    )
]


def test_the_survey_and_the_references_are_among_the_names():
    assert set(SURVEY) | {"full", "norms-and-biases", "ia3", "vera"} <= set(registry.names())
    assert [n for n in registry.names() if registry.record(n).survey] == SURVEY


def test_an_unknown_method_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no method 'llora'.*'lora'"):
        registry.build_config("llora")


def test_an_unknown_knob_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no knob 'lora_alfa'.*'lora_alpha'"):
        registry.build_config("lora", {"lora_alfa": 3})


@pytest.mark.parametrize(("method_id", "knob", "value"), OUTSIDE)
def test_a_knob_out_of_range_is_refused_with_its_range(method_id, knob, value):
    with pytest.raises(ExplorerError) as refusal:
        registry.build_config(method_id, {knob: value})
    sentence = str(refusal.value)
    assert sentence.startswith(f"{knob} = {value}")
    assert registry.record(method_id).knobs[knob].range in sentence


def test_knobs_come_as_text_as_well():
    typed = {
        "r": "16",
        "use_dora": "true",
        "lora_dropout": "0.1",
        "target_modules": "q_proj, down_proj",
        "init_lora_weights": "gaussian",
    }
    config = registry.build_config("lora", typed)
    assert (config.r, config.use_dora, config.lora_dropout) == (16, True, 0.1)
    assert set(config.target_modules) == {"q_proj", "down_proj"}
    assert config.init_lora_weights == "gaussian"


def test_all_linear_means_the_seven_of_a_block():
    model = attach(contract.base(), "lora", {"target_modules": "all-linear"})
    matrices = [name for name in contract.trainable(model) if "lora_A" in name]
    adapted = {name.split(".lora_A")[0].rsplit(".", 1)[1] for name in matrices}
    assert adapted == set(linear_names(model)) - {"lm_head"}
    assert len(adapted) == 7


def test_a_target_the_model_does_not_have_is_answered_with_its_nearest_linear():
    with pytest.raises(UnknownNameError, match=r"no target module 'q_projj'.*'q_proj'"):
        attach(contract.base(), "lora", {"target_modules": "q_projj"})
    with pytest.raises(UnknownNameError, match="no target module 'c_attn'"):
        attach(contract.base(), "vera", {"target_modules": ["q_proj", "c_attn"]})


def test_what_does_not_fit_the_model_is_a_sentence_with_the_method_and_the_cause():
    with pytest.raises(registry.MethodError, match=r"C³A cannot be attached.*block"):
        attach(contract.base(), "c3a", {"block_size": 48})


def test_a_reference_has_no_configuration_and_takes_no_model_with_adapters():
    with pytest.raises(registry.MethodError, match="has no adapter"):
        registry.build_config("full")
    with pytest.raises(registry.MethodError, match="without adapters"):
        attach(contract.attached("lora"), "full")


def test_full_frees_everything_and_norms_and_biases_free_only_those():
    model = attach(contract.base(), "full")
    assert all(p.requires_grad for p in model.parameters())
    names = contract.trainable(attach(model, "norms-and-biases"))
    assert len(names) == 2 * contract.SIZES["num_hidden_layers"] + 1
    assert all("norm" in name for name in names)


def test_a_second_adapter_takes_a_new_name_and_only_its_own_tensors_train():
    model = contract.attached("prompt-tuning")
    with pytest.raises(registry.MethodError, match="already has an adapter called 'default'"):
        contract.attached("prompt-tuning", model)
    contract.attached("prompt-tuning", model, "second")
    assert list(contract.trainable(model)) == ["prompt_encoder.second.embedding.weight"]


def test_preparing_switches_off_the_path_that_repacks_weights():
    model = contract.quantized()
    assert quantization_of(model) == "nf4"
    assert quantization_of(contract.base()) == "none"
    for _, linear in quantized_linears(model):
        linear.support_avx512bf16_for_cpu = True  # as on a processor with AVX512-BF16
    prepare_quantized(model)
    found = [linear for _, linear in quantized_linears(model)]
    assert len(found) == 7 * contract.SIZES["num_hidden_layers"]
    assert not any(linear.support_avx512bf16_for_cpu for linear in found)
    assert not any(p.requires_grad for p in model.parameters())
    assert {p.dtype for n, p in model.named_parameters() if "norm" in n} == {torch.float32}


def test_attaching_to_a_quantized_model_prepares_it():
    model = contract.quantized()
    for _, linear in quantized_linears(model):
        linear.support_avx512bf16_for_cpu = True
    contract.attached("lora", model)
    assert not any(linear.support_avx512bf16_for_cpu for _, linear in quantized_linears(model))


def test_a_weight_that_was_repacked_already_is_refused():
    model = contract.quantized()
    linear = next(m for m in model.modules() if isinstance(m, bnb.nn.Linear4bit))
    linear.weight.quant_state.packing_format_for_cpu = True
    with pytest.raises(QuantizedBaseError, match=r"q_proj has been repacked.*Load the model again"):
        prepare_quantized(model)


def test_the_recipe_of_qlora_is_data():
    recipe = registry.record("qlora").recipe
    assert (recipe.quantization, recipe.double_quantization) == ("nf4", True)
    assert recipe.gradient_checkpointing
    assert recipe.optimizer == "paged_adamw_8bit"
