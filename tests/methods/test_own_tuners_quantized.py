"""The three own methods on 8-bit and 4-bit bases."""

import bitsandbytes as bnb
import pytest
import torch
from peft import get_peft_model

from explorer.catalogue.errors import ExplorerError
from explorer.methods import build_config
from explorer.methods.quantization import QuantizedBaseError, quantized_linears
from tests.methods import contract
from tests.methods.comparing import gradients, logits, randomise, relative

OWN = ("llama-adapter-v1", "llama-adapter-v2", "llama-excitor")


def quantize(model, build):
    """Put `build(linear)` in the place of every linear of the layers."""
    for layer in model.model.layers:
        for owner in (layer.self_attn, layer.mlp):
            for name, linear in list(owner.named_children()):
                if isinstance(linear, torch.nn.Linear):
                    setattr(owner, name, build(linear))
    return model


def four_bit(kind):
    def build(linear):
        quantized = bnb.nn.Linear4bit(
            linear.in_features,
            linear.out_features,
            bias=linear.bias is not None,
            compute_dtype=torch.float32,
            quant_type=kind,
        )
        quantized.load_state_dict(linear.state_dict())
        return quantized.to("cpu")

    return build


def eight_bit(linear):
    quantized = bnb.nn.Linear8bitLt(
        linear.in_features, linear.out_features, linear.bias is not None, has_fp16_weights=False
    )
    quantized.load_state_dict(linear.state_dict())
    return quantized.to("cpu")


def dequantized(linear):
    plain = torch.nn.Linear(linear.in_features, linear.out_features, linear.bias is not None)
    weight = bnb.functional.dequantize_4bit(linear.weight.data, linear.weight.quant_state)
    plain.weight.data = weight.to(torch.float32)
    if linear.bias is not None:
        plain.bias.data = linear.bias.data
    return plain


def with_the_same_adapter(config, *bases):
    models = []
    for base in bases:
        torch.manual_seed(0)
        models.append(get_peft_model(base, config).eval())
        randomise(models[-1], scale=0.1)
    return models


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_a_4_bit_base_trains_with_the_gradients_of_its_dequantized_copy(
    tiny_llama, own_config, token_ids, kind
):
    sizes = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16, "num_hidden_layers": 3}
    small = quantize(tiny_llama(**sizes), four_bit(kind))
    plain = quantize(tiny_llama(**sizes), four_bit(kind))
    for layer in plain.model.layers:
        for owner in (layer.self_attn, layer.mlp):
            for name, linear in list(owner.named_children()):
                if isinstance(linear, bnb.nn.Linear4bit):
                    setattr(owner, name, dequantized(linear))
    small, plain = with_the_same_adapter(own_config, small, plain)
    assert relative(logits(small, token_ids), logits(plain, token_ids)) < 1e-2  # an eval pass
    assert relative(gradients(small, token_ids), gradients(plain, token_ids)) < 1e-2
    with pytest.raises(ExplorerError, match="cannot be merged"):
        small.merge_and_unload()


@pytest.mark.filterwarnings("ignore:MatMul8bitLt")
def test_an_8_bit_base_trains_and_generates(tiny_llama, own_config, token_ids):
    sizes = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16, "num_hidden_layers": 3}
    full, small = with_the_same_adapter(
        own_config, tiny_llama(**sizes), quantize(tiny_llama(**sizes), eight_bit)
    )
    assert relative(logits(small.eval(), token_ids), logits(full.eval(), token_ids)) < 0.1
    assert relative(gradients(small, token_ids), gradients(full, token_ids)) < 0.2
    small.eval().generate(input_ids=token_ids, max_new_tokens=2)


@pytest.mark.parametrize("method_id", OWN)
def test_get_peft_model_keeps_the_gradients_of_a_base_that_trains(method_id):
    model = contract.quantized()
    for _, linear in quantized_linears(model):
        linear.support_avx512bf16_for_cpu = True  # as on a processor with AVX512-BF16
    get_peft_model(model, build_config(method_id, contract.TINY.get(method_id)))
    assert not any(linear.support_avx512bf16_for_cpu for _, linear in quantized_linears(model))


@pytest.mark.parametrize("method_id", OWN)
def test_get_peft_model_refuses_a_base_whose_gradients_are_lost(method_id):
    model = contract.quantized()
    next(quantized_linears(model))[1].weight.quant_state.packing_format_for_cpu = True
    with pytest.raises(QuantizedBaseError, match="Load the model again"):
        get_peft_model(model, build_config(method_id, contract.TINY.get(method_id)))
