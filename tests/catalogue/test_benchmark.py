"""Benchmarks, and what makes two of their scores comparable."""

import pytest
from pydantic import ValidationError

from explorer.catalogue.benchmark import Benchmark, Score
from explorer.catalogue.load import DATA, load_folder
from explorer.catalogue.scores import printed_names

BENCHMARKS = load_folder(DATA / "benchmarks", Benchmark)
SCORE = {
    "model": "llama-2-7b",
    "variant": "base",
    "benchmark": "mmlu",
    "part": "",
    "printed": "MMLU",
    "metric": "acc",
    "shots": "5",
    "value": 45.3,
    "better": "higher",
    "source": ("llama2_paper: Table 19 (MMLU)",),
}


def test_no_printed_name_stands_for_two_benchmarks():
    printed = printed_names(BENCHMARKS)
    assert len(printed) == sum(len(benchmark.names) for benchmark in BENCHMARKS.values())


def test_a_false_positive_rate_is_better_when_lower_and_f1_when_higher():
    guard = BENCHMARKS["guard-mlcommons"]
    assert guard.better_in("FPR") == "lower"
    assert guard.better_in("F1") == "higher"


def test_a_rate_of_toxic_answers_is_better_when_lower():
    assert BENCHMARKS["toxigen"].better_in("% toxic generations") == "lower"


@pytest.mark.parametrize("name", BENCHMARKS)
def test_chance_is_a_level_or_a_reason_why_there_is_none(name):
    chance = BENCHMARKS[name].chance
    assert chance.note if chance.value is None else 0 < chance.value < 100


@pytest.mark.parametrize(
    "change",
    [
        {"shots": "0"},
        {"metric": "macro_avg acc"},
        {"part": "STEM"},
        {"benchmark": "mmlu-pro"},
        {"source": ("llama3_card: Base pretrained models",)},
    ],
)
def test_scores_of_other_shots_metric_part_or_document_are_not_comparable(change):
    score, other = Score(**SCORE), Score(**SCORE | change)
    assert score.comparable_with != other.comparable_with


def test_scores_of_two_tables_of_one_document_are_comparable():
    other = Score(**SCORE | {"model": "llama-2-70b", "source": ("llama2_paper: Table 3",)})
    assert Score(**SCORE).comparable_with == other.comparable_with


def test_a_score_with_a_reason_stays_out_of_plots():
    assert Score(**SCORE).plot
    assert not Score(**SCORE | {"not_plotted": "a model that was never released"}).plot


def test_a_variant_that_nobody_released_must_be_called_so():
    with pytest.raises(ValidationError, match="variant"):
        Score(**SCORE | {"variant": "experimental"})
