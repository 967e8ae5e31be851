import pytest

from explorer.catalogue.load import DataFileError
from explorer.lab.datasets import read_rows, task_rows


def test_rows_are_read_in_order():
    rows = task_rows("order-extraction", "heldout")
    assert len(rows) == 40
    assert rows[0].prompt
    assert " > " in rows[0].completion


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"prompt": "a", "completion": "b"}\n{"prompt"', r"rows\.jsonl, line 2: not JSON"),
        ('{"prompt": "a"}', r"line 1: completion: Field required"),
        ('{"prompt": "a", "completion": ""}', r"line 1: completion: .*at least 1 char"),
        ('{"prompt": "a", "completion": "b", "x": 1}', r"line 1: x: Extra inputs"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, text, sentence):
    path = tmp_path / "rows.jsonl"
    path.write_text(text)
    with pytest.raises(DataFileError, match=sentence):
        read_rows(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataFileError, match=r"rows\.jsonl: there is no such file"):
        read_rows(tmp_path / "rows.jsonl")
