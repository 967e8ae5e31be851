import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.lab.metrics import SCORERS, interval, score


@pytest.mark.parametrize(
    ("metric", "expected", "answer", "value"),
    [
        ("exact-match", "4 x kettle", " 4  x kettle\n", 1),
        ("exact-match", "4 x kettle", "4 x Kettle", 0),
        ("accuracy", "Lease", "lease.", 1),
        ("accuracy", "Lease", "lease\nbecause it says so", 1),
        ("accuracy", "Lease", "not a lease", 0),
        ("accuracy", "Lease", "", 0),
        ("field-f1", "a: 1; b: 2", "B: 2; a: 1", 1),
        ("field-f1", "a: 1; b: 2", "a: 1; b: 3", 0.5),
        ("field-f1", "a: 1", "", 0),
        ("field-f1", "soon | gastro | cough", "soon | gastro | cold", 2 / 3),
        ("json-f1", '{"a": 1, "b": "x"}', '{"b": "x", "a": 1}', 1),
        ("json-f1", '{"a": 1, "b": "x"}', '{"a": 2, "b": "x"}', 0.5),
        ("json-f1", '{"a": 1}', '{"a": 1} and more', 0),
        ("json-f1", '{"a": 1}', "[1]", 0),
        ("rouge-l", "the cat sat", "the cat sat", 1),
        ("rouge-l", "police killed the gunman", "police kill the gunman", 0.75),
        ("rouge-l", "a b", "c d", 0),
        ("rouge-l", "a b", "", 0),
    ],
)
def test_scores_of_known_answers(metric, expected, answer, value):
    assert score(metric, expected, answer) == pytest.approx(value)


@given(st.sampled_from(sorted(set(SCORERS) - {"json-f1"})), st.text(min_size=1).filter(str.strip))
def test_the_expected_answer_scores_one(metric, text):
    assert score(metric, text, text) == pytest.approx(1)


@given(st.sampled_from(sorted(SCORERS)), st.text(), st.text())
def test_scores_stay_between_zero_and_one(metric, expected, answer):
    assert 0 <= score(metric, expected, answer) <= 1


def test_wilson_intervals_are_the_textbook_ones():
    # 8 of 10: Wilson (1927), as in Brown, Cai and DasGupta (2001)
    assert interval([1] * 8 + [0] * 2) == pytest.approx((0.4901, 0.9433), abs=1e-3)
    low, high = interval([0.0] * 40)
    assert low == 0
    assert high == pytest.approx(0.0876, abs=1e-3)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_the_interval_holds_the_mean(scores):
    low, high = interval(scores)
    assert 0 <= low <= sum(scores) / len(scores) + 1e-9
    assert sum(scores) / len(scores) - 1e-9 <= high <= 1


def test_a_number_of_thousands_of_digits_is_an_answer_that_is_wrong():
    endless = f'{{"a": {"9" * 5000}}}'
    assert score("json-f1", '{"a": 1}', endless) == 0
    assert score("json-f1", endless, '{"a": 1}') == 0
