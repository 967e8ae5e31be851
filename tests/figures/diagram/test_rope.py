"""Wavelengths of the rotation: those that transformers computes, whatever the scaling."""

import math

import pytest
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from explorer.figures.diagram.block import draw_attention
from explorer.figures.diagram.rope import waves
from tests.figures.diagram.reading import read
from tests.figures.diagram.shapes import ODD, SMOLLM, released
from tests.figures.diagram.test_legible import assert_legible

SCALED = [m for m, arch in released().items() if arch.rope_scaling]


def theirs(arch):
    """Wavelengths by transformers' own functions."""
    scaling = {"rope_theta": arch.rope_theta, **(arch.rope_scaling or {})}
    config = LlamaConfig(
        hidden_size=arch.head_dim * arch.num_attention_heads,
        num_attention_heads=arch.num_attention_heads,
        head_dim=arch.head_dim,
        max_position_embeddings=arch.max_position_embeddings,
        rope_parameters=scaling,
    )
    frequencies, _ = ROPE_INIT_FUNCTIONS[scaling["rope_type"]](config, "cpu")
    return [2 * math.pi / frequency for frequency in frequencies.tolist()]


@pytest.mark.parametrize("model", SCALED)
def test_scaled_wavelengths_equal_those_of_transformers(model):
    arch = released()[model]
    assert [wave.after for wave in waves(arch)] == pytest.approx(theirs(arch), rel=1e-5)


def test_linear_scaling_stretches_every_wave_alike():
    scaling = {"rope_type": "linear", "factor": 4.0}
    arch = SMOLLM.model_copy(update={"rope_scaling": scaling})
    assert [wave.after for wave in waves(arch)] == pytest.approx(theirs(arch), rel=1e-5)
    assert all(wave.after == 4 * wave.before for wave in waves(arch))


def test_without_scaling_a_wave_is_what_theta_says():
    found = waves(SMOLLM)
    assert len(found) == 32
    assert found[0].after == pytest.approx(2 * math.pi)
    assert found[16].after == pytest.approx(2 * math.pi * math.sqrt(100_000))


@pytest.mark.parametrize(
    "scaling",
    [{"rope_type": "llama3"}, {"rope_type": "llama3", "factor": "8"}, {"type": "yarn", "factor": 2},
     {"rope_type": "linear", "factor": float("nan")}, {"rope_type": "linear", "factor": -1}],
)  # fmt: skip
def test_a_scaling_that_makes_no_sense_leaves_the_waves_alone(scaling):
    arch = SMOLLM.model_copy(update={"rope_scaling": scaling})
    assert all(wave.after == wave.before for wave in waves(arch))


@pytest.mark.parametrize("model", [*SCALED[:3], "llama-2-7b", *ODD])
def test_the_attention_level_is_legible(model):
    arch = (released() | ODD)[model]
    assert_legible(read(draw_attention(arch, model)))
