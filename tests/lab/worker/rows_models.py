"""Tiny bases and adapters whose every tensor does something, for the tests of the row batch."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from explorer.lab.worker.rows import Column, Part
from explorer.lab.worker.rows.joined import lay_side_by_side
from explorer.lab.worker.view import privatize, view
from explorer.methods.attach import attach
from tests.methods import contract

SHAPES = {
    "mha": {"num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 16},
    "gqa": {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16},
    # heads · head_dim ≠ hidden_size, biases everywhere, a tied head
    "wide": {
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "attention_bias": True,
        "mlp_bias": True,
        "tie_word_embeddings": True,
    },
}


def tiny_base(shape="gqa", seed=0, **changes):
    """A random LLaMA with norms and biases that are not trivial."""
    torch.manual_seed(seed)
    base = LlamaForCausalLM(LlamaConfig(**{**contract.SIZES, **SHAPES[shape], **changes})).eval()
    for name, parameter in base.named_parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, mean=1.0 if "norm" in name else 0.0, std=0.2)
        else:
            parameter.data.mul_(4)  # so that attention is not flat
    lay_side_by_side(base)  # as the worker does; not those of "wide", which have biases
    return base.requires_grad_(False)


def adapted(base, method, seed=1, **knobs):
    """The method on a view of the base, every trainable tensor off its initial value."""
    torch.manual_seed(seed)
    model = attach(view(base), method, {**contract.TINY.get(method, {}), **knobs})
    privatize(model, base)  # what is trained of the base's own tensors
    return contract.stir(model, seed).eval()


def column(base, method, strength=1.0, **settings):
    """A column of one adapter."""
    return Column(method, base, (Part(adapted(base, method, **settings), strength),))


def text(length=9, seed=7):
    """Token ids [length] that are no special tokens."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, contract.SIZES["vocab_size"], (length,), generator=generator)


def alone(model, ids):
    """Logits [M, V] of a model by itself, by the call that peft documents."""
    with torch.no_grad():
        return model(input_ids=ids[None]).logits[0, -len(ids) :]
