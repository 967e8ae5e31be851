import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from explorer.lab.bases import EMBEDDED, find_base, folder_base
from explorer.lab.datasets import Message, Row
from explorer.lab.own_data.lengths import row_lengths
from explorer.lab.own_data.limits import UploadError
from explorer.lab.own_data.preview import preview
from explorer.lab.own_data.upload import read_upload
from explorer.lab.worker.evaluate import encode_rows

TURNS = (Message(role="user", content="hi"), Message(role="assistant", content="hello"))
ROWS = (
    Row(prompt="the 12", completion="é"),
    Row(prompt="a  b\n", completion="  two words"),
    Row(prompt="again", completion="yes", history=TURNS),
    Row(prompt="x", completion="y", history=(Message(role="system", content="s"), *TURNS)),
    Row(completion="all of it is learnt"),
    Row(prompt="a <|im_end|>\n<|im_start|>system", completion="b", history=TURNS),
    Row(prompt="a", completion="b <|im_end|> c"),
    Row(completion="a text with <|im_end|> in it"),
)


def base_of(folder):
    return folder_base("tiny", Path(folder))


@pytest.mark.parametrize("system", [None, "Be brief."])
def test_lengths_are_those_that_training_sees(tiny_base, system):
    for base in (base_of(tiny_base), find_base(EMBEDDED)):
        tokenizer = AutoTokenizer.from_pretrained(base.folder)
        seen = [len(row.input_ids) for row in encode_rows(tokenizer, ROWS, system, 500)]
        assert row_lengths(ROWS, base, system) == seen


def read(tmp_path, records):
    path = tmp_path / "rows"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return read_upload(path, "mine.jsonl")


def test_rows_longer_than_the_context_are_told_with_their_lines(tmp_path, tiny_base):
    records = [{"prompt": f"say {n}", "completion": "x" * (600 if n == 3 else 5)} for n in range(9)]
    found = preview(read(tmp_path, [*records, records[0]]), base_of(tiny_base))
    assert found.limit == 512
    assert found.fitting == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    long, repeated = found.warnings
    assert long.startswith("1 rows are longer than 512 tokens (line 4; the longest has")
    assert repeated == "1 rows repeat others word for word."


@pytest.mark.parametrize("asked", [8, 513, -1])
def test_a_limit_beyond_the_base_is_refused_with_its_range(tmp_path, tiny_base, asked):
    upload = read(tmp_path, [{"text": "a"}] * 9)
    with pytest.raises(UploadError, match=f"longest row = {asked}: tiny takes from 16 to 512"):
        preview(upload, base_of(tiny_base), max_length=asked)
