import pytest

from explorer.figures.lengths import MOST_BARS, bar_width, length_histogram


def test_every_row_is_counted_in_the_bar_that_its_length_falls_into():
    figure = length_histogram([3, 3, 41, 79, 80], None)
    bars = figure.data[0]
    assert bars.width == 5
    counted = {tuple(place): count for place, count in zip(bars.customdata, bars.y, strict=True)}
    assert sum(bars.y) == 5
    assert (counted[0, 4], counted[40, 44], counted[75, 79], counted[80, 84]) == (2, 1, 1, 1)
    assert not figure.layout.shapes


def test_a_limit_is_drawn_where_rows_reach_beyond_it():
    figure = length_histogram([10, 20, 600], 512, "dark")
    assert figure.layout.shapes[0].x0 == 512
    colours = figure.data[0].marker.color
    assert colours[0] != colours[-1]
    assert not length_histogram([10, 20], 512).layout.shapes


@pytest.mark.parametrize("longest", [1, 7, 39, 40, 41, 399, 8192, 123_456])
def test_bars_are_round_and_few(longest):
    width = bar_width(longest)
    assert int(str(width).rstrip("0")) in (1, 2, 5)
    assert longest // width + 1 <= MOST_BARS


def test_without_rows_it_says_so():
    assert "No rows" in length_histogram([]).layout.annotations[0].text
