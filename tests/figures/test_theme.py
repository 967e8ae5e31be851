"""Colours that hold: enough contrast on both grounds, told apart with colour-blind eyes."""

from itertools import combinations

import pytest

from explorer.catalogue.catalogue import load_catalogue
from explorer.figures import theme as look
from explorer.figures.diagram.style import TOKENS

# Viénot 1999 / Machado 2009, severity 1, in linear RGB.
DEFICIENCIES = {
    "protanopia": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "deuteranopia": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "tritanopia": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}
WHITE = (0.9505, 1.0, 1.089)


def linear(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]


def luminance(colour):
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def lab(rgb):
    rgb = [min(max(part, 0), 1) for part in rgb]
    matrix = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    xyz = [sum(m * p for m, p in zip(row, rgb, strict=True)) for row in matrix]
    f = [t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116
         for t in (value / white for value, white in zip(xyz, WHITE, strict=True))]  # fmt: skip
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def seen(colour, deficiency):
    rgb = linear(colour)
    if deficiency:
        matrix = DEFICIENCIES[deficiency]
        rgb = [sum(m * p for m, p in zip(row, rgb, strict=True)) for row in matrix]
    return lab(rgb)


def difference(one, other, deficiency):
    a, b = seen(one, deficiency), seen(other, deficiency)
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "name", ["ink", "muted", "hot", "query", "key", "value", "expert", "image"]
)
def test_words_have_the_contrast_that_wcag_asks_of_small_text(name, theme):
    for ground in ("page", "face"):
        assert contrast(TOKENS[name].on(theme), TOKENS[ground].on(theme)) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_and_marks_stand_out_from_the_page(theme):
    for mark in [*look.GENERATIONS.values(), *look.METHODS.values()]:
        assert contrast(mark.colour.on(theme), look.PAGE.on(theme)) >= 3
    assert contrast(look.LINE.on(theme), look.PAGE.on(theme)) >= 3


@pytest.mark.parametrize("deficiency", [None, *DEFICIENCIES])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("marks", [look.GENERATIONS, look.METHODS])
def test_any_two_marks_differ_in_shape_or_clearly_in_colour(marks, theme, deficiency):
    for (one, a), (other, b) in combinations(marks.items(), 2):
        apart = difference(a.colour.on(theme), b.colour.on(theme), deficiency) >= 20
        assert apart or a.symbol != b.symbol, f"{one} and {other}"


@pytest.mark.parametrize("deficiency", [None, *DEFICIENCIES])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_trained_differs_from_frozen_for_everyone(theme, deficiency):
    assert difference(look.TRAINED.on(theme), look.MUTED.on(theme), deficiency) >= 20


def test_every_generation_and_survey_method_has_a_mark_of_its_own():
    catalogue = load_catalogue()
    assert set(catalogue.generations) <= set(look.GENERATIONS)
    assert {m.id for m in catalogue.methods.values() if m.survey} <= set(look.METHODS)
    assert len({(m.colour, m.symbol) for m in look.GENERATIONS.values()}) == len(look.GENERATIONS)
    assert len({(m.colour, m.symbol) for m in look.METHODS.values()}) == len(look.METHODS)


def test_series_marks_all_differ():
    marks = look.series_marks(24)
    assert len({(m.colour, m.symbol, m.dash) for m in marks}) == 24


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_figures_have_no_ground_of_their_own(theme):
    layout = look.blank(theme, "x").layout
    assert layout.template.layout.paper_bgcolor == layout.template.layout.plot_bgcolor
    assert layout.template.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert layout.template.layout.font.color == look.INK.on(theme)
    assert layout.autosize
