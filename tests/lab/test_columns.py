import pytest

from explorer.catalogue.errors import ExplorerError
from explorer.lab.columns import BASE, ColumnSpec, Share, parse_column


@pytest.mark.parametrize(
    ("word", "spec"),
    [
        ("base", BASE),
        ("r1", ColumnSpec((Share("r1"),))),
        ("r1@0.5", ColumnSpec((Share("r1", 0.5),))),
        ("r1@0.7+r2", ColumnSpec((Share("r1", 0.7), Share("r2")))),
    ],
)
def test_words_and_columns_are_each_other(word, spec):
    assert parse_column(word) == spec
    assert spec.word == word


def test_a_column_is_named_with_its_strengths():
    names = {"r1": "LoRA", "r2": "QLoRA"}
    assert parse_column("r1@0.7+r2").named(names.get) == "0.7 × LoRA + QLoRA"
    assert BASE.named(names.get) == "Base"


def test_strengths_multiply_up_to_two():
    assert parse_column("r1@0.5+r2").at(2).word == "r1+r2@2"
    assert BASE.at(0.3) == BASE
    with pytest.raises(ExplorerError, match=r"strength = 2\.4: it takes a number from 0 to 2"):
        parse_column("r1@1.2").at(2)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("", "is no column"),
        ("r1@", "is no column"),
        ("r1+", "is no column"),
        ("@1", "is no column"),
        ("r1@x", "strength = 'x': it takes a number from 0 to 2"),
        ("r1@nan", "from 0 to 2"),
        ("r1@-1", "strength = -1"),
        ("r1@3", "strength = 3"),
        ("r1@0.5+r1", "names an adapter twice"),
        ("a+b+c+d+e", "at most 4"),
    ],
)
def test_what_is_no_column_is_told(word, sentence):
    with pytest.raises(ExplorerError, match=sentence):
        parse_column(word)
