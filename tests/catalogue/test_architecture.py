"""The record of a shape: what it derives, and what it refuses."""

import pytest
from pydantic import ValidationError

from explorer.catalogue.architecture import Architecture

SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 172,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 200,
}


def test_widths_follow_from_heads():
    arch = Architecture(**SHAPE)
    assert (arch.q_dim, arch.kv_dim, arch.num_key_value_groups) == (128, 32, 4)


def test_cross_attention_layers_have_no_self_attention():
    arch = Architecture(**SHAPE, model_type="mllama", cross_attention_layers=(1, 3))
    assert arch.self_attention_layers == (0, 2)


def test_equal_shapes_hash_alike_and_are_one_key():
    scaled = {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}
    first, second = Architecture(**SHAPE, **scaled), Architecture(**SHAPE, **scaled)
    assert len({first, second}) == 1
    assert len({first, Architecture(**SHAPE)}) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_key_value_heads": 3}, "not a multiple"),
        ({"moe_layers": (4,)}, "moe_layers names layer 4"),
        ({"moe_layers": (1,)}, "needs num_local_experts"),
        ({"cross_attention_layers": (-1,)}, "layers run from 0 to 3"),
        ({"hidden_size": 0}, "greater than 0"),
        ({"hiden_size": 1}, "Extra inputs"),
    ],
    ids=str,
)
def test_contradictions_are_refused(change, words):
    with pytest.raises(ValidationError, match=words):
        Architecture(**SHAPE | change)


def test_a_shape_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Architecture(**SHAPE).hidden_size = 1
