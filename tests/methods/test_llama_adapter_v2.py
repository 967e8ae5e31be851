"""LLaMA-Adapter V2 against its equations, in both variants, and the published counts."""

import warnings

import pytest
import torch
from peft import get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from explorer.catalogue.errors import ExplorerError
from explorer.methods import LlamaAdapterV2Config, permute_rotary_bias
from tests.methods import reference
from tests.methods.comparing import (
    TOLERANCE,
    adapter_tensors,
    compare_with_reference,
    randomise,
    relative,
)

LLAMA_7B = {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
LLAMA_65B = {"hidden_size": 8192, "num_hidden_layers": 80, "num_attention_heads": 64}
KNOBS = [
    {},
    {"r": 3},
    {"adapter_len": 4, "adapter_layers": 2, "r": 3},
]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("shape", ["mha", "gqa", "wide"])
@pytest.mark.parametrize("variant", ["chat", "paper"])
@pytest.mark.parametrize("knobs", KNOBS, ids=str)
def test_outputs_and_gradients_are_those_of_the_equations(
    tiny_llama, token_ids, variant, knobs, shape, attention
):
    config = LlamaAdapterV2Config(variant=variant, **knobs)
    model = get_peft_model(tiny_llama(shape, attention), config)
    randomise(model, scale=0.2)
    compare_with_reference(
        model,
        lambda tensors: reference.LlamaAdapterV2(tiny_llama(shape), tensors, variant),
        token_ids,
        TOLERANCE[attention],
    )


def test_image_tokens_join_at_the_first_layers_only(tiny_llama, token_ids):
    config = LlamaAdapterV2Config(variant="paper", adapter_len=3, visual_tokens=5)
    model = get_peft_model(tiny_llama(), config)
    randomise(model, scale=0.2)
    tensors = adapter_tensors(model)
    assert [name for name in tensors if "visual_gate" in tensors[name]] == ["layers.0.self_attn"]
    assert "prompt" not in tensors["layers.0.self_attn"]
    visual = torch.randn(2, 5, 32, dtype=torch.float64)
    compare_with_reference(
        model,
        lambda tensors: reference.LlamaAdapterV2(tiny_llama(), tensors, "paper", visual),
        token_ids,
        visual_tokens=visual,
    )


def test_image_tokens_reach_every_step_of_a_generation(tiny_llama, token_ids):
    config = LlamaAdapterV2Config(adapter_len=3, visual_tokens=5)
    model = get_peft_model(tiny_llama(), config)
    randomise(model, scale=0.5)
    settings = {"input_ids": token_ids, "max_new_tokens": 6, "do_sample": False}
    alone = model.generate(**settings)
    with model.seeing(torch.randn(2, 5, 32)):
        cached = model.generate(**settings)
        assert torch.equal(cached, model.generate(use_cache=False, **settings))
        assert model.generate(num_beams=3, **settings).shape[0] == 2
    assert not torch.equal(cached, alone)
    assert torch.equal(model.generate(**settings), alone)


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_image_tokens_are_seen_when_checkpointed_layers_are_computed_again(
    tiny_llama, token_ids, use_reentrant
):
    config = LlamaAdapterV2Config(adapter_len=3, visual_tokens=5, visual_layers=2)
    model = get_peft_model(tiny_llama(), config)
    randomise(model, scale=0.5)
    tokens = torch.randn(2, 5, 32)

    def slopes():
        model.zero_grad()
        model.train()
        with model.seeing(tokens):
            loss = model(token_ids, labels=token_ids).loss
        loss.backward()  # outside, as a training loop may have it
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])

    expected = slopes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # transformers 5.23 has a newer name for it
        model.gradient_checkpointing_enable({"use_reentrant": use_reentrant})
    if use_reentrant:
        model.enable_input_require_grads()
    assert relative(slopes(), expected) < 1e-6


def test_image_tokens_of_another_shape_are_refused(tiny_llama, token_ids):
    model = get_peft_model(tiny_llama(), LlamaAdapterV2Config(visual_tokens=5))
    with pytest.raises(ExplorerError, match=r"shape \(2, 4, 32\): it takes \(2, 5, 32\)"):
        model(token_ids, visual_tokens=torch.zeros(2, 4, 32))


def test_image_tokens_for_an_adapter_that_takes_none_are_refused(tiny_llama, token_ids):
    model = get_peft_model(tiny_llama(), LlamaAdapterV2Config(adapter_len=2))
    with pytest.raises(ExplorerError, match="takes no visual_tokens"):
        model(token_ids, visual_tokens=torch.zeros(2, 4, 32))
    with (
        pytest.raises(ExplorerError, match="takes no visual_tokens"),
        model.base_model.seeing(torch.zeros(2, 4, 32)),
    ):
        model(token_ids)


@pytest.mark.parametrize(
    ("sizes", "knobs", "count"),
    [
        (LLAMA_7B | {"intermediate_size": 11008}, {}, 2_764_800),
        (LLAMA_65B | {"intermediate_size": 22016}, {}, 13_811_712),
        (
            LLAMA_7B | {"intermediate_size": 11008},
            {"variant": "paper", "adapter_len": 0},
            2_985_984,
        ),
        (  # and 31 layers of ten prompts and 32 gates
            LLAMA_7B | {"intermediate_size": 11008},
            {"variant": "paper"},
            2_985_984 + 31 * (10 * 4096 + 32),
        ),
        (
            LLAMA_7B | {"intermediate_size": 11008},
            {"r": 16},
            2_764_800 + 159_907_840 // 4,
        ),
    ],
    ids=["7B chat", "65B chat", "7B paper without prompts", "7B paper", "7B chat with LoRA"],
)
def test_it_trains_the_published_number_of_parameters(sizes, knobs, count):
    with torch.device("meta"):
        base = LlamaForCausalLM(LlamaConfig(vocab_size=8, **sizes))
        model = get_peft_model(base, LlamaAdapterV2Config(**knobs))
    assert model.get_nb_trainable_parameters()[0] == count


@pytest.mark.parametrize("shape", ["gqa", "wide"])
@pytest.mark.parametrize("variant", ["chat", "paper"])
@pytest.mark.parametrize("r", [0, 3])
def test_merged_equals_unmerged_and_survives_a_save(
    tiny_llama, token_ids, tmp_path, variant, shape, r
):
    config = LlamaAdapterV2Config(variant=variant, adapter_len=0, r=r)
    model = get_peft_model(tiny_llama(shape), config)
    randomise(model, scale=0.2)
    with torch.no_grad():
        expected = model(token_ids).logits
        merged = model.merge_and_unload()
        assert type(merged.model.layers[0].self_attn.q_proj) is torch.nn.Linear
        torch.testing.assert_close(merged(token_ids).logits, expected, rtol=1e-4, atol=1e-5)
        merged.save_pretrained(tmp_path)
        loaded = LlamaForCausalLM.from_pretrained(tmp_path)
        torch.testing.assert_close(loaded(token_ids).logits, expected, rtol=1e-4, atol=1e-5)


def test_prompts_stand_against_merging(tiny_llama):
    model = get_peft_model(tiny_llama(), LlamaAdapterV2Config(adapter_len=2))
    with pytest.raises(ExplorerError, match="with prompts or image tokens cannot be merged"):
        model.merge_and_unload()


def test_the_adapter_that_is_named_is_merged(tiny_llama, token_ids):
    model = get_peft_model(tiny_llama(), LlamaAdapterV2Config())
    model.add_adapter("other", LlamaAdapterV2Config(variant="paper", adapter_len=0))
    model.add_adapter("prompted", LlamaAdapterV2Config(adapter_len=2))
    model.set_adapter("other")
    randomise(model, scale=0.2)
    expected = model(token_ids).logits
    model.set_adapter("default")
    with pytest.raises(ExplorerError, match="with prompts or image tokens cannot be merged"):
        model.merge_and_unload(adapter_names=["prompted"])
    with pytest.raises(ExplorerError, match="merges one adapter, and 2 were given"):
        model.merge_and_unload(adapter_names=["default", "other"])
    with pytest.raises(ExplorerError, match="is not merged in place"):
        model.merge_adapter()
    merged = model.merge_and_unload(adapter_names=["other"])
    torch.testing.assert_close(merged(token_ids).logits, expected, rtol=1e-4, atol=1e-5)


def test_values_that_are_not_finite_are_not_merged(tiny_llama):
    model = get_peft_model(tiny_llama(), LlamaAdapterV2Config())
    adapter_tensors(model)["layers.0.mlp.up_proj"]["bias"].data[0] = torch.inf
    with pytest.raises(ExplorerError, match="values that are not finite"):
        model.merge_and_unload(safe_merge=True)


def test_biases_move_with_the_rows_of_the_rotary_layout(tiny_llama):
    """Neighbours (2j, 2j + 1) turned in Meta's layout are halves (j, j + h/2) in transformers'."""
    heads, width, position = 2, 8, 3
    bias = torch.randn(heads * width)
    pairs = torch.view_as_complex(bias.view(heads, width // 2, 2).contiguous())
    angles = position * 10000.0 ** (-torch.arange(0, width, 2) / width)
    turned = torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten()
    plain = reference.Llama(tiny_llama())
    stored = permute_rotary_bias(bias, heads).double().view(heads, 1, width)
    rotated = plain.rotate(stored.expand(heads, position + 1, width))[:, position].flatten()
    assert relative(permute_rotary_bias(turned, heads), rotated) < 1e-6


def test_several_adapters_at_once_are_refused(tiny_llama):
    model = get_peft_model(tiny_llama(), LlamaAdapterV2Config())
    model.add_adapter("other", LlamaAdapterV2Config())
    with pytest.raises(ExplorerError, match="runs one adapter at a time"):
        model.base_model.set_adapter(["default", "other"])


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [
        ({"variant": "litgpt"}, "variant = litgpt: it takes one of chat, paper."),
        ({"adapter_len": -1}, "adapter_len = -1: it takes a whole number from 0 to 4096."),
        ({"r": 2000}, "r = 2000: it takes a whole number from 0 to 1024."),
        ({"visual_layers": 0}, "visual_layers = 0: it takes a whole number from 1 to 1024."),
    ],
)
def test_a_knob_out_of_range_is_refused_with_its_range(knobs, sentence):
    with pytest.raises(ExplorerError) as refusal:
        LlamaAdapterV2Config(**knobs)
    assert str(refusal.value) == sentence
