"""The calculator's figures: areas that fill their box, curves that add up, colours of their own."""

import pytest

from explorer.budget.forecast import forecast
from explorer.budget.plan import make_plan
from explorer.figures.budget import TERMS, Point, Sweep, areas, sensitivity, term
from explorer.figures.theme import MUTED

SIZES = {"weights": 15.0, "activations": 10.5, "logits": 3.0, "gradients": 0.2, "adapter": 0.0}
POINTS = (
    Point(128, {"weights": 2**30, "moving": 2**29, "master_copies": 0}, 10),
    Point(256, {"weights": 2**30, "moving": 2**30, "master_copies": 0}, 10),
)
SWEEP = Sweep("tokens a sequence", 128, POINTS, "a device", 3 * 2**30)


def test_areas_are_as_large_as_their_sizes_and_fill_the_box_without_overlap():
    found = areas(SIZES)
    total = sum(SIZES.values())
    assert {area.name for area in found} == {name for name, size in SIZES.items() if size}
    for area in found:
        assert area.width * area.height == pytest.approx(SIZES[area.name] / total)
        assert 0 <= area.left <= area.left + area.width <= 1 + 1e-9
        assert 0 <= area.top <= area.top + area.height <= 1 + 1e-9
    for one in found:
        for other in found:
            if one is not other:
                beside = (
                    one.left + one.width <= other.left + 1e-9
                    or other.left + other.width <= one.left + 1e-9
                )
                above = (
                    one.top + one.height <= other.top + 1e-9
                    or other.top + other.height <= one.top + 1e-9
                )
                assert beside or above, (one, other)


def test_areas_are_near_to_squares_where_the_sizes_allow_it():
    for area in areas(dict.fromkeys("abcdefgh", 1.0), aspect=2.0):
        assert 0.4 < area.width * 2.0 / area.height < 2.5


def test_nothing_has_no_areas():
    assert areas({}) == areas({"a": 0.0}) == []


@pytest.mark.parametrize("mode", ["training", "inference"])
def test_every_term_of_a_forecast_has_a_title_and_a_colour(mode):
    terms = forecast(make_plan(model="llama-3.1-8b", mode=mode)).memory.terms
    assert set(terms) <= set(TERMS)


def test_a_term_that_is_new_is_shown_all_the_same():
    assert term("brand_new") == type(term("x"))("Brand new", MUTED)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_curve_of_memory_stacks_what_there_is_and_gives_its_rows(theme):
    chart = sensitivity(SWEEP, "memory", theme)
    traces = {trace.name: list(trace.y) for trace in chart.figure.data}
    assert traces == {"Weights": [1.0, 1.0], "Alive at the peak": [0.5, 1.0]}
    assert [row["peak_bytes"] for row in chart.rows] == [3 * 2**29, 2**31]
    assert chart.figure.layout.yaxis.range[1] > 2
    assert "a device" in chart.figure.layout.annotations[0].text


def test_the_curve_of_trained_parameters_has_one_line():
    (trace,) = sensitivity(SWEEP, "trainable").figure.data
    assert list(trace.y) == [10, 10]


def test_no_points_say_so():
    assert sensitivity(Sweep("r", 1, (), "", 0.0)).figure.layout.annotations[0].text


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("name", TERMS)
def test_words_on_an_area_can_be_read(name):
    light, dark = TERMS[name].colour.light, TERMS[name].colour.dark
    assert 1.05 / (luminance(light) + 0.05) >= 4.5  # white words
    assert (luminance(dark) + 0.05) / (luminance("#10151d") + 0.05) >= 4.5
