"""NF4 in figures: the levels of bitsandbytes, and pictures of what they do to weights."""

import random

import pytest

from explorer.catalogue.errors import ExplorerError
from explorer.figures.nf4 import LEVELS, bits_per_weight, nearest_code, quantize
from explorer.figures.quantization import dequantized, level_histogram, normalised, rounding

# The table printed in QLoRA's appendix E (arXiv:2305.14314).
PRINTED = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
)  # fmt: skip


def test_the_levels_are_those_of_the_paper():
    assert pytest.approx(PRINTED, abs=2e-7) == LEVELS


def test_a_weight_goes_to_its_nearest_level():
    chance = random.Random(0)
    for _ in range(500):
        value = chance.uniform(-1, 1)
        assert nearest_code(value) == min(range(16), key=lambda code: abs(LEVELS[code] - value))


def test_a_block_keeps_its_largest_weight_exactly():
    weights = [0.1, -0.7, 0.3, 0.0]
    codes, scale = quantize(weights)
    assert scale == 0.7
    assert LEVELS[codes[1]] * scale == -0.7
    assert LEVELS[codes[3]] == 0
    assert quantize([0.0, 0.0]) == ([7, 7], 0.0)


def test_bits_a_weight():
    assert bits_per_weight(double=False) == 4.5
    assert bits_per_weight(double=True) == pytest.approx(4.127, abs=5e-4)


def test_the_histogram_shows_the_weights_of_each_block_over_the_levels():
    chance = random.Random(1)
    weights = [chance.gauss(0, 0.02) for _ in range(130)]
    figure = level_histogram(weights, "dark")
    assert list(figure.data[0].x) == normalised(weights)
    assert max(map(abs, figure.data[0].x)) == 1
    assert list(figure.data[1].x) == list(LEVELS)


def test_rounding_shows_what_comes_back_and_how_far_off_it_is():
    chance = random.Random(2)
    weights = [chance.gauss(0, 0.02) for _ in range(6400)]
    figure = rounding(weights)
    assert list(figure.data[1].y) == dequantized(weights)
    assert figure.layout.annotations[0].text.startswith("relative error 9.")


@pytest.mark.parametrize("draw", [level_histogram, rounding])
def test_less_than_a_block_is_refused(draw):
    with pytest.raises(ExplorerError, match="one block has 64"):
        draw([0.1] * 63)
