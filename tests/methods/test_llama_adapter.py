"""LLaMA-Adapter V1 against its equations, peft's adaption_prompt and the published counts."""

import pytest
import torch
from peft import AdaptionPromptConfig, get_peft_model
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from explorer.catalogue.errors import ExplorerError
from explorer.methods import LlamaAdapterConfig
from tests.methods import reference
from tests.methods.comparing import TOLERANCE, adapter_tensors, compare_with_reference, randomise


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("shape", ["mha", "gqa", "wide"])
@pytest.mark.parametrize("activation", ["tanh", "none"])
def test_outputs_and_gradients_are_those_of_the_equations(
    tiny_llama, token_ids, shape, attention, activation
):
    base = tiny_llama(shape, attention)
    config = LlamaAdapterConfig(adapter_len=3, adapter_layers=2, gate_activation=activation)
    model = get_peft_model(base, config)
    randomise(model)
    squash = {"tanh": torch.tanh, "none": lambda gate: gate}[activation]

    def build(tensors):
        return reference.LlamaAdapter(tiny_llama(shape), tensors, squash)

    compare_with_reference(model, build, token_ids, TOLERANCE[attention])


def test_it_equals_adaption_prompt_where_all_heads_share_one_gate(tiny_llama, token_ids):
    ours = get_peft_model(tiny_llama(), LlamaAdapterConfig(adapter_len=4, adapter_layers=3))
    theirs = get_peft_model(
        tiny_llama(), AdaptionPromptConfig(adapter_len=4, adapter_layers=3, task_type="CAUSAL_LM")
    )
    tensors = adapter_tensors(ours)
    for layer, gate in zip((1, 2, 3), (0.7, -0.4, 1.3), strict=True):
        attention = theirs.base_model.model.model.layers[layer].self_attn
        mine = tensors[f"layers.{layer}.self_attn"]
        attention.adaption_prompt.data[0] = mine["prompt"].data
        attention.adaption_gate.data.fill_(torch.tensor(gate).tanh())
        mine["gate"].data.fill_(gate)
    with torch.no_grad():
        torch.testing.assert_close(
            ours(token_ids).logits, theirs(token_ids).logits, rtol=1e-5, atol=1e-5
        )


def test_only_the_gates_move_on_the_first_step(tiny_llama, token_ids):
    model = get_peft_model(tiny_llama(), LlamaAdapterConfig(adapter_layers=2))
    model(token_ids, labels=token_ids).loss.backward()
    for tensors in adapter_tensors(model).values():
        assert tensors["gate"].grad.abs().min() > 0
        assert tensors["prompt"].grad.abs().max() == 0


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        ({"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}, 1_229_760),
        (
            {
                "hidden_size": 576,
                "num_hidden_layers": 30,
                "num_attention_heads": 9,
                "num_key_value_heads": 3,
            },
            161_532,
        ),
    ],
    ids=["LLaMA-7B", "SmolLM2-135M"],
)
def test_it_trains_the_published_number_of_parameters(sizes, count):
    with torch.device("meta"):
        base = LlamaForCausalLM(LlamaConfig(vocab_size=8, intermediate_size=8, **sizes))
        model = get_peft_model(base, LlamaAdapterConfig())
    assert model.get_nb_trainable_parameters()[0] == count


def test_layers_below_the_first_prompt_are_not_in_the_graph(tiny_llama, token_ids):
    model = get_peft_model(tiny_llama(), LlamaAdapterConfig(adapter_layers=1)).train()
    seen = []
    for layer in model.base_model.model.model.layers:
        layer.register_forward_hook(lambda module, args, output: seen.append(output.requires_grad))
    model(token_ids)
    assert seen == [False, False, False, True]


def test_every_query_head_has_its_own_gate_from_base_to_effect(tiny_llama, token_ids):
    model = get_peft_model(tiny_llama("wide"), LlamaAdapterConfig(adapter_layers=1))
    gate = adapter_tensors(model)["layers.3.self_attn"]["gate"]
    assert gate.shape == (6,)
    with torch.no_grad():
        outputs = []
        for head in range(6):
            gate.zero_()[head] = 1.0
            outputs.append(model(token_ids).logits)
    for one in range(6):
        for other in range(one):
            assert not torch.allclose(outputs[one], outputs[other], atol=1e-6)


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [
        ({"adapter_len": 0}, "adapter_len = 0: it takes a whole number from 1 to 4096."),
        ({"adapter_layers": 0}, "adapter_layers = 0: it takes a whole number from 1 to 1024."),
        ({"adapter_len": 2.5}, "adapter_len = 2.5: it takes a whole number from 1 to 4096."),
        ({"gate_activation": "relu"}, "gate_activation = relu: it takes one of tanh, none."),
    ],
)
def test_a_knob_out_of_range_is_refused_with_its_range(knobs, sentence):
    with pytest.raises(ExplorerError) as refusal:
        LlamaAdapterConfig(**knobs)
    assert str(refusal.value) == sentence


def test_more_layers_than_the_model_has_are_refused(tiny_llama):
    with pytest.raises(
        ExplorerError, match="adapter_layers = 5: it takes a whole number from 1 to 4"
    ):
        get_peft_model(tiny_llama(), LlamaAdapterConfig(adapter_layers=5))


def test_a_model_that_is_no_llama_is_refused():
    base = GPT2LMHeadModel(GPT2Config(n_embd=16, n_head=2, n_layer=1, vocab_size=8))
    with pytest.raises(ExplorerError, match=r"needs the attention of a LLaMA.*'gpt2'"):
        get_peft_model(base, LlamaAdapterConfig())
