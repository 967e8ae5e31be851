"""LLaMA-Excitor against its equations, and what follows from them."""

import pytest
import torch
from peft import get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from explorer.catalogue.errors import ExplorerError
from explorer.methods import LlamaExcitorConfig
from tests.methods import reference
from tests.methods.comparing import TOLERANCE, adapter_tensors, compare_with_reference, randomise


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("shape", ["mha", "gqa", "wide"])
def test_outputs_and_gradients_are_those_of_the_equations(tiny_llama, token_ids, shape, attention):
    config = LlamaExcitorConfig(adapter_len=5, adapter_layers=2, r=3)
    model = get_peft_model(tiny_llama(shape, attention), config)
    randomise(model)
    compare_with_reference(
        model,
        lambda tensors: reference.LlamaExcitor(tiny_llama(shape), tensors),
        token_ids,
        TOLERANCE[attention],
    )


@pytest.mark.parametrize(
    "knobs",
    [
        {"per_head": False},
        {"rotate": True},
        {"gate_per_head": False},
        {"activation": "tanh"},
        {"per_head": False, "rotate": True, "gate_per_head": False, "activation": "tanh"},
    ],
    ids=str,
)
def test_every_open_choice_does_what_it_says(tiny_llama, token_ids, knobs):
    config = LlamaExcitorConfig(adapter_len=5, adapter_layers=2, r=3, **knobs)
    model = get_peft_model(tiny_llama("wide"), config)
    randomise(model)

    def build(tensors):
        return reference.LlamaExcitor(
            tiny_llama("wide"),
            tensors,
            per_head=config.per_head,
            rotate=config.rotate,
            squash=torch.tanh if config.activation == "tanh" else lambda gate: gate,
        )

    compare_with_reference(model, build, token_ids)


def test_the_values_stay_the_base_models(tiny_llama, token_ids):
    """With one token there is one weight, 1, so whatever the keys are the output is the base's."""
    base = tiny_llama()
    first = token_ids[:, :1]
    with torch.no_grad():
        expected = base(first).logits
        model = get_peft_model(base, LlamaExcitorConfig())
        randomise(model)
        torch.testing.assert_close(model(first).logits, expected, rtol=1e-5, atol=1e-6)


def test_the_gates_get_a_gradient_on_the_first_step(tiny_llama, token_ids):
    model = get_peft_model(tiny_llama(), LlamaExcitorConfig(adapter_layers=2))
    model(token_ids, labels=token_ids).loss.backward()
    for tensors in adapter_tensors(model).values():
        assert tensors["gate"].grad.abs().min() > 0


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        ({"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}, 7_618_590),
        (
            {
                "hidden_size": 576,
                "num_hidden_layers": 30,
                "num_attention_heads": 9,
                "num_key_value_heads": 3,
            },
            999_964,
        ),
    ],
    ids=["LLaMA-7B", "SmolLM2-135M"],
)
def test_it_trains_the_published_number_of_parameters(sizes, count):
    with torch.device("meta"):
        base = LlamaForCausalLM(LlamaConfig(vocab_size=8, intermediate_size=8, **sizes))
        model = get_peft_model(base, LlamaExcitorConfig(gate_per_head=False))
    assert model.get_nb_trainable_parameters()[0] == count


def test_the_cache_keeps_the_heads_of_the_base(tiny_llama, token_ids):
    model = get_peft_model(tiny_llama("wide"), LlamaExcitorConfig(adapter_layers=1))
    cache = model(token_ids, use_cache=True).past_key_values
    assert cache.layers[0].keys.shape == (2, 2, 9, 8)
    assert cache.layers[3].keys.shape == (2, 2, 9, 24)  # three query heads side by side
    assert cache.layers[3].values.shape == (2, 2, 9, 8)


def test_a_cache_filled_without_the_adapter_is_refused(tiny_llama, token_ids):
    model = get_peft_model(tiny_llama("wide"), LlamaExcitorConfig(adapter_layers=1))
    with model.disable_adapter():
        cache = model(token_ids[:, :4], use_cache=True).past_key_values
    with pytest.raises(ExplorerError, match=r"layer 3 holds keys of width 8, and .* have width 24"):
        model(token_ids[:, 4:], past_key_values=cache)


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [
        ({"adapter_len": 0}, "adapter_len = 0: it takes a whole number from 1 to 4096."),
        ({"r": 0}, "r = 0: it takes a whole number from 1 to 1024."),
        ({"gate_init": 11}, "gate_init = 11: it takes a number from -10 to 10."),
        ({"rotate": "maybe"}, "rotate = maybe: it takes true or false."),
        ({"activation": "relu"}, "activation = relu: it takes one of none, tanh."),
    ],
)
def test_a_knob_out_of_range_is_refused_with_its_range(knobs, sentence):
    with pytest.raises(ExplorerError) as refusal:
        LlamaExcitorConfig(**knobs)
    assert str(refusal.value) == sentence
