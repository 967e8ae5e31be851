"""The CSV files of data/results: complete, resolved, and strict about what is wrong."""

import shutil
from collections import Counter

import pytest

from explorer.catalogue.load import DATA, DataFileError
from explorer.catalogue.scores import (
    load_method_runs,
    load_published_results,
    load_scores,
    load_sources,
)

SCORES = load_scores()
FOLDERS = ("models", "generations", "methods", "benchmarks", "hardware", "tasks", "results")


@pytest.fixture
def data(tmp_path):
    """A copy of the data whose files a test may spoil."""
    for folder in FOLDERS:
        if (DATA / folder).exists():
            shutil.copytree(DATA / folder, tmp_path / folder)
    return tmp_path


def test_all_figures_that_were_gathered_are_there():
    assert len(SCORES) == 2122
    assert len(load_published_results()) == 537
    assert len(load_method_runs()) == 63


def test_every_document_that_is_cited_is_named_and_every_named_one_is_cited_somewhere():
    cited = {score.document for score in SCORES}
    assert cited <= set(load_sources())


def test_figures_that_are_no_normal_scores_stay_out_of_plots_each_with_its_reason():
    hidden = [score for score in SCORES if not score.plot]
    assert {score.benchmark for score in hidden} >= {"on-device", "lmarena", "needle-in-a-haystack"}
    assert all(not score.plot for score in SCORES if score.better == "lower")
    assert all(not score.plot for score in SCORES if score.variant == "unreleased")
    needles = [s.value for s in SCORES if s.benchmark == "needle-in-a-haystack" and s.plot]
    assert needles == [96.8]


def test_a_figure_that_documents_print_twice_is_kept_for_each():
    mmlu = [
        s for s in SCORES if (s.model, s.variant, s.benchmark) == ("llama-2-70b", "base", "mmlu")
    ]
    documents = Counter(s.document for s in mmlu if not s.part)
    assert documents.keys() == {"llama2_card", "llama2_paper", "llama3_card"}


def test_the_known_figure_of_a_paper_is_read_as_printed():
    (squad,) = [
        s
        for s in SCORES
        if (s.model, s.benchmark, s.document) == ("llama-3.1-405b", "squad", "llama3_1_card")
    ]
    assert (squad.value, squad.metric, squad.shots) == (89.3, "em", "1")


def test_a_published_range_has_no_value_but_says_what_was_printed():
    ranges = [r for r in load_published_results() if r.value is None]
    assert {r.printed for r in ranges} == {"50.7-50.9", "1.48-1.5 hours"}
    assert not any(r.plot for r in ranges)


def test_a_bound_is_not_plotted_as_a_figure():
    (bound,) = [r for r in load_published_results() if r.printed == "> 780 GB"]
    assert (bound.value, bound.unit, bound.plot) == (780.0, "GB", False)


def test_the_two_published_gains_of_excitor_are_both_there():
    gains = {
        r.printed: r.document
        for r in load_published_results()
        if r.method == "llama-excitor" and "MMLU" in r.task
    }
    assert gains == {"+3.12": "llama_excitor_openreview", "+6": "llama_excitor_paper"}


def test_a_run_trains_fewer_parameters_than_there_are_unless_it_trains_all():
    for run in load_method_runs():
        assert (run.trainable_params == run.total_params) == (run.method == "full")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("variant,", "varaint,", "no column 'varaint'. Did you mean 'variant'?"),
        (",note,", ",", "missing column 'note'"),
        ("llama-1-7b,", "llama-1-8b,", ":2: There is no model 'llama-1-8b'. Did you mean"),
        ("ARC-e,", "ARC-f,", "There is no benchmark 'ARC-f'. Did you mean"),
        ("llama1_card:", "llama1_crad:", "names no known key, did you mean 'llama1_card'?"),
        ("base,", "bsae,", ":2: variant = 'bsae'"),
        (",76.7,", ",much,", "value = 'much'"),
        (",76.7,", ",76.7,76.7,", "a row needs 9 cells"),
    ],
)
def test_a_mistake_in_a_table_is_told_with_file_and_line(data, old, new, told):
    path = data / "results" / "benchmarks" / "llama1_card.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataFileError) as error:
        load_scores(data)
    assert str(error.value).startswith("llama1_card.csv:")
    assert told in str(error.value)


def test_an_unknown_method_of_a_result_suggests_the_nearest(data):
    path = data / "results" / "peft_results.csv"
    path.write_text(path.read_text("utf-8").replace("\nqlora,", "\nqlroa,", 1), encoding="utf-8")
    with pytest.raises(DataFileError, match=r"There is no method 'qlroa'. Did you mean 'qlora'\?"):
        load_published_results(data)


def test_a_name_that_two_benchmarks_claim_is_a_mistake(data):
    path = data / "benchmarks" / "gsm8k.toml"
    path.write_text(path.read_text("utf-8").replace("[names]", '[names]\n"MATH" = ""'), "utf-8")
    with pytest.raises(DataFileError, match="'MATH' is also a name of 'gsm8k'"):
        load_scores(data)


def test_a_table_that_is_not_utf8_says_where(data):
    path = data / "results" / "peft_results.csv"
    path.write_bytes(path.read_bytes() + "Málaga".encode("latin-1"))
    with pytest.raises(DataFileError, match=r"peft_results\.csv: not UTF-8 text"):
        load_published_results(data)
