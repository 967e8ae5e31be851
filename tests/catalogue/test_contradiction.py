"""Contradictions between sources: all of them are findable, and the figures are the tables'."""

import shutil

import pytest

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.contradiction import load_contradictions
from explorer.catalogue.load import DATA, DataFileError

CONTRADICTIONS = load_contradictions()
MODELS = load_catalogue().models


def test_there_are_contradictions_of_every_kind():
    kinds = {item.kind for item in CONTRADICTIONS}
    assert kinds == {"architecture", "training", "benchmark", "method", "software", "licence"}


def test_a_fact_that_is_contradicted_holds_both_values_or_says_so_in_its_note():
    for item in CONTRADICTIONS:
        for name in item.models:
            for field in item.fields:
                fact = getattr(MODELS[name], field)
                assert fact.disputed or fact.note, (item.id, name, field)


def test_every_fact_that_holds_two_values_is_among_the_contradictions():
    told = {(m, f) for item in CONTRADICTIONS for m in item.models for f in item.fields}
    disputed = {(m, f) for m, model in MODELS.items() for f in model.disputed}
    assert disputed <= told


def test_most_contradictions_have_two_sides():
    one_sided = [item.id for item in CONTRADICTIONS if len(item.sayings) == 1]
    assert set(one_sided) == {"code-llama-hours", "llama-3.2-eval-details", "herd-means-3.1"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("value = 76.7", "value = 76.8", "no score of llama-1-7b on arc-easy is 76.8"),
        ('models = ["llama-2-7b"', 'models = ["llama-2-8b"', "no model 'llama-2-8b'. Did you mean"),
        ('fields = ["num_key', 'fields = ["nmu_key', "no fact 'nmu_key_value_heads'. Did you mean"),
        ('source = ["sku_list', 'source = ["sku_lits', "did you mean 'sku_list'?"),
        ("kind =", "knid =", "unknown key 'knid', did you mean 'kind'?"),
    ],
)
def test_a_contradiction_that_dangles_is_told_with_its_id(tmp_path, old, new, told):
    shutil.copytree(DATA, tmp_path / "data")
    path = tmp_path / "data" / "results" / "contradictions.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataFileError, match=r"contradictions\.toml: .*") as error:
        load_contradictions(tmp_path / "data")
    assert told in str(error.value)
