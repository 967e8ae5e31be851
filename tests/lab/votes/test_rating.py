import itertools
import math
import random

import pytest

from explorer.lab.votes.ballots import Ballot
from explorer.lab.votes.rating import ENOUGH, SCALE, standings, strengths


def ballot(columns, choice):
    names = tuple(f"name of {column}" for column in columns)
    return Ballot(
        id="vote-0", opened=0, prompt="?", base="b", columns=columns, names=names, choice=choice
    )


def test_a_share_counts_wins_and_half_the_ties():
    ballots = [ballot(("x", "y"), c) for c in ("A", "A", "B", "tie")]
    x, y = standings(ballots)
    assert (x.column, x.name, x.votes) == ("x", "name of x", 4)
    assert (x.wins, x.ties, x.share) == (2, 1, 0.625)
    assert (y.wins, y.ties, y.share) == (1, 1, 0.375)
    assert x.low < x.share < x.high
    assert x.rating is None  # four votes are not enough


def test_two_columns_have_the_strengths_of_bradley_and_terry():
    # with half a win against the opponent of strength 1 the maximum has a closed form: by symmetry
    # p_x p_y = 1, and won_x = faced_x p_x
    ballots = [ballot(("x", "y"), "A")] * 30 + [ballot(("x", "y"), "B")] * 10
    p = strengths(ballots)
    assert p["x"] * p["y"] == pytest.approx(1, rel=1e-4)
    likelihood = 30.5 - p["x"] * (40 / (p["x"] + p["y"]) + 1 / (p["x"] + 1))
    assert likelihood == pytest.approx(0, abs=1e-3)
    assert p["x"] / p["y"] == pytest.approx(3, rel=0.05)


def test_ratings_find_the_order_and_the_distances_that_votes_were_drawn_from():
    true = {"w": 0.5, "x": 1.0, "y": 2.0, "z": 4.0}
    lots = random.Random(1)
    ballots = []
    for _ in range(600):
        columns = tuple(lots.sample(list(true), 3))
        won = lots.choices(range(3), [true[column] for column in columns])[0]
        ballots.append(ballot(columns, "ABC"[won]))
    found = standings(ballots)
    assert [one.column for one in found] == ["z", "y", "x", "w"]
    for better, worse in itertools.pairwise(found):
        assert better.rating - worse.rating == pytest.approx(SCALE * math.log(2), abs=60)
    for one in found:
        assert one.rating_low < one.rating < one.rating_high
        assert one.rating_high - one.rating_low < 150


def test_a_column_that_won_everything_has_a_finite_rating():
    best, last = standings([ballot(("x", "y"), "A")] * ENOUGH)
    assert (best.column, best.share) == ("x", 1)
    assert 0 < best.rating < 2000
    assert best.low < 1  # ten votes leave doubt
    assert last.rating == pytest.approx(-best.rating, rel=1e-3)
