"""Tiny random LLaMAs, and what the tests of the methods ask of them."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
import torch
from peft import get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from tests.methods.comparing import OWN, randomise

torch.set_num_threads(1)

SHAPES = {
    "mha": {"num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 8},
    "gqa": {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8},
    # heads · head_dim ≠ hidden_size, biases everywhere
    "wide": {
        "hidden_size": 36,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "attention_bias": True,
        "mlp_bias": True,
    },
}


@pytest.fixture
def tiny_llama():
    """A builder of tiny LLaMAs: `tiny_llama("gqa", attention="eager", …)`."""

    def build(shape="gqa", attention="sdpa", seed=0, **changes):
        sizes = {
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 4,
            "vocab_size": 61,
            "max_position_embeddings": 64,
            "initializer_range": 0.2,  # far from uniform, so that differences show
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            **SHAPES[shape],
            **changes,
        }
        torch.manual_seed(seed)
        config = LlamaConfig(**sizes)
        config._attn_implementation = attention
        model = LlamaForCausalLM(config).eval()
        for name, parameter in model.named_parameters():  # biases and norms that are not trivial
            if parameter.ndim == 1:
                start = 1.0 if "norm" in name else 0.0
                torch.nn.init.normal_(parameter, mean=start, std=0.2)
        return model

    return build


@pytest.fixture
def token_ids():
    torch.manual_seed(7)
    return torch.randint(3, 61, (2, 9))


@pytest.fixture(params=OWN)
def own_config(request):
    """The configuration of each own method in turn."""
    return OWN[request.param]()


@pytest.fixture
def adapted(tiny_llama, own_config):
    """A builder of a tiny LLaMA with the method on it, off its initial values."""

    def build(*args, **changes):
        model = get_peft_model(tiny_llama(*args, **changes), own_config)
        randomise(model, scale=0.3)
        return model.eval()

    return build
