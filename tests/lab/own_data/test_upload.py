import json
import random
import time

import pyarrow
import pyarrow.parquet
import pytest

from explorer.lab.own_data import limits, readers, upload
from explorer.lab.own_data.limits import UploadError
from explorer.lab.own_data.upload import read_upload, split

PAIRS = [{"prompt": f"question {n}", "completion": f"answer {n}"} for n in range(12)]


def written(tmp_path, name, content):
    path = tmp_path / "uploaded"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_upload(path, name)


def jsonl(records):
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize(
    ("name", "record", "form", "prompt", "completion"),
    [
        ("a.jsonl", {"prompt": "p", "completion": "c"}, "prompt and completion", "p", "c"),
        ("a.jsonl", {"prompt": "p", "completion": 5}, "prompt and completion", "p", "5"),
        ("a.jsonl", {"instruction": "i", "input": "", "output": "o"}, "instruction", "i", "o"),
        (
            "a.jsonl",
            {"instruction": "i", "input": "x", "output": "o"},
            "instruction",
            "i\n\nx",
            "o",
        ),
        ("a.jsonl", {"text": "all of it"}, "text", "", "all of it"),
        (
            "a.jsonl",
            {"messages": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "c"}]},
            "messages",
            "p",
            "c",
        ),
    ],
)
def test_every_form_becomes_prompt_and_answer(tmp_path, name, record, form, prompt, completion):
    found = written(tmp_path, name, jsonl([record] * 3))
    assert (found.form, found.faulty, len(found.rows)) == (form, 0, 3)
    assert (found.rows[0].prompt, found.rows[0].completion) == (prompt, completion)


def test_earlier_messages_become_the_history(tmp_path):
    turns = [("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    record = {"messages": [{"role": role, "content": text} for role, text in turns]}
    (row,) = written(tmp_path, "a.jsonl", jsonl([record])).rows
    assert [(m.role, m.content) for m in row.history] == turns[:3]
    assert (row.prompt, row.completion) == ("c", "d")


def test_tables_lists_parquet_and_text_hold_the_same_rows(tmp_path):
    rows = [("q; 1", "a\n1"), ('q "2"', "ä 2")]
    as_csv = 'prompt,completion\n"q; 1","a\n1"\n"q ""2""",ä 2\n'
    as_tsv = 'prompt\tcompletion\nq; 1\t"a\n1"\n"q ""2"""\tä 2\n'
    as_json = json.dumps([{"prompt": p, "completion": c} for p, c in rows])
    table = pyarrow.table({"prompt": [p for p, _ in rows], "completion": [c for _, c in rows]})
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink)
    as_parquet = sink.getvalue().to_pybytes()
    files = {"a.csv": as_csv, "a.tsv": as_tsv, "a.json": as_json, "a.parquet": as_parquet}
    for name, content in files.items():
        found = written(tmp_path, name, content)
        assert [(r.prompt, r.completion) for r in found.rows] == rows, name
    plain = written(tmp_path, "a.txt", "\ufeffone\n\n  two \n")
    assert [row.completion for row in plain.rows] == ["one", "two"]
    assert plain.lines == (1, 3)


def test_a_semicolon_table_with_a_line_separator_inside_is_read(tmp_path):
    found = written(tmp_path, "a.csv", 'prompt;completion\n"a\u2028b";"c"\n')
    assert found.rows[0].prompt == "a\u2028b"


def test_broken_json_on_line_417_is_named(tmp_path):
    lines = [json.dumps(PAIRS[0])] * 500
    lines[416] = '{"prompt": "a", "completion": '
    found = written(tmp_path, "a.jsonl", "\n".join(lines))
    assert (found.faulty, found.problems[0].line, len(found.rows)) == (1, 417, 499)
    with pytest.raises(
        UploadError, match=r"a\.jsonl, line 417: not JSON \(Expecting value at column 31"
    ):
        found.demand_whole()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"prompt": "a"}', "line 2: no key 'completion'"),
        ('{"prompt": "a", "completon": "b"}', "line 2: no key 'completion', but 'completon'"),
        ('{"prompt": "a", "completion": ""}', "line 2: completion is empty"),
        (
            '{"prompt": "a", "completion": null}',
            "line 2: completion: a text or a number is needed, this is nothing",
        ),
        (
            '{"prompt": ["a"], "completion": "b"}',
            "line 2: prompt: a text or a number is needed, this is a list",
        ),
        (
            '{"prompt": true, "completion": "b"}',
            "line 2: prompt: a text or a number is needed, this is true or false",
        ),
        ('{"prompt": NaN, "completion": "b"}', "line 2: prompt: nan is no number and no text"),
        ('{"prompt": "a", "completion": -1e999}', "line 2: completion: -inf is no number"),
        ('["a", "b"]', "line 2: not an object with keys but a list"),
        ('{"prompt": "a", "completion": "' + "b" * 20_001 + '"}', "has 20,001 characters; at most"),
        ("[" * 100_000, "line 2: nested too deeply"),
        ('{"prompt": ' + "9" * 5000 + "}", "line 2: a number with too many digits"),
        ('{"prompt": "\\ud800", "completion": "b"}', "line 2: prompt holds half a character"),
        ('"' + "a" * 1_000_001, "line 2: 1,000,003 characters; a line has at most 1,000,000"),
    ],
)
def test_a_faulty_line_is_named_with_its_key(tmp_path, line, sentence):
    found = written(tmp_path, "a.jsonl", jsonl(PAIRS[:1]) + line + "\n" + jsonl(PAIRS))
    with pytest.raises(UploadError) as told:
        found.demand_whole()
    assert sentence in str(told.value)


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([], "a list of at least two"),
        ([{"role": "user", "content": "a"}], "a list of at least two"),
        ([{"role": "user", "content": "a"}] * 2, "the last two have to be"),
        ([{"role": "usr", "content": "a"}] * 2, "number 1: role 'usr' is not system or user or"),
        (["a", "b"], "number 1: not an object but a str"),
    ],
)
def test_faulty_conversations_are_named(tmp_path, messages, sentence):
    content = jsonl([{"messages": messages}] * 9 + [{"text": "a"}])
    with pytest.raises(UploadError, match=sentence):
        written(tmp_path, "a.jsonl", content).demand_whole()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.jsonl", "", r"a\.jsonl is empty"),
        ("a.jsonl", "\n\n", r"holds no rows"),
        ("a.pdf", "x", r"a\.pdf has \.pdf; data comes as \.jsonl, \.json"),
        ("a", "x", "no ending"),
        ("a.jsonl", b"PK\x03\x04\x00\x00", r"is a packed archive: unpack it first"),
        ("a.jsonl", b'{"prompt": "a"}\n\xff\xfe', r"line 2: not UTF-8"),
        ("a.json", '{"a": 1}', "holds a list of rows"),
        ("a.json", "[]", "holds no rows"),
        ("a.json", '[{"text": "a"} {"text": "b"}]', r"line 1: not JSON \(a comma or \]"),
        ("a.json", '[{"text": "a"},]', "line 1: not JSON"),
        ("a.json", '[{"text": "a"}]\n[{"text": "b"}]', "line 2: something follows the end of"),
        ("a.json", "[ ]\n\nx", "line 3: something follows the end of"),
        ("a.csv", "prompt,completion" + ",c" * 999 + "\na,b\n", "line 1: 1,001 columns; at most"),
        ("a.csv", "\nprompt,completion,prompt\na,b,c\n", "line 2: two columns are called 'prompt'"),
        ("a.jsonl", b'\xff\xfe{"\x00\x00\xd8', "line 1: it begins as UTF-16"),
        ("a.jsonl", "{".encode("utf-16-le"), r"text in another encoding than UTF-8 \(byte 1"),
        ("a.txt", "a".encode("utf-32"), "is a binary file, not text"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.csv", "text\n" + "a" * 200_000, r"line 2: not a table \(field larger"),
        ("a.jsonl", b"\x1f\x8b\x08\x00", "packed archive"),
        ("a.json", "[\n1,\n", "line 3: not JSON"),
        (
            "a.jsonl",
            '{"question": "a"}',
            r"line 1: none of the known forms, which are prompt \+ comp",
        ),
        ("a.csv", "a,b\n1,2\n", "line 2: none of the known forms"),
        ("a.csv", 'prompt,completion\n"a,b\n', "line 2: not a table"),
        ("a.csv", 'prompt,completion\na,b\n"a"b,c\n', "line 3: not a table"),
        ("a.parquet", "hello", "is not a Parquet file"),
    ],
)
def test_what_is_no_data_is_refused_in_a_sentence(tmp_path, name, content, sentence):
    with pytest.raises(UploadError, match=sentence):
        written(tmp_path, name, content)


def test_one_row_is_too_few(tmp_path):
    found = written(tmp_path, "a.jsonl", jsonl(PAIRS[:1]))
    with pytest.raises(UploadError, match="has one row; at least 8 are needed"):
        found.demand_whole()


def test_a_row_with_more_columns_than_the_head_is_named(tmp_path):
    found = written(tmp_path, "a.csv", "prompt,completion\na,b\na,b,c\n")
    assert str(found.problems[0]) == "line 3: more than the 2 columns"


def test_a_row_over_several_lines_with_too_many_columns_is_named_where_it_begins(tmp_path):
    found = written(tmp_path, "a.csv", '\n\nprompt,completion\n"a\nb",c,"x\ny"\n\na,b\n')
    assert [str(problem) for problem in found.problems] == ["line 4: more than the 2 columns"]
    assert found.lines == (8,)


def test_short_rows_and_columns_without_a_name_are_no_fault_by_themselves(tmp_path):
    found = written(tmp_path, "a.csv", "prompt, completion,,\na,b\na,b,,\na\n")
    assert (len(found.rows), str(found.problems[0])) == (2, "line 4: no key 'completion'")


def test_a_table_of_many_columns_takes_no_longer_than_its_text(tmp_path):
    begun = time.perf_counter()
    head = "prompt,completion" + "".join(f",c{n}" for n in range(998))
    found = written(tmp_path, "a.csv", head + "\n" + "a,b\n" * 20_000)
    assert len(found.rows) == 20_000
    assert time.perf_counter() - begun < 5


def test_utf_16_is_read_by_its_first_two_bytes(tmp_path):
    for encoding in ("utf-16", "utf-16-be"):
        mark = "" if encoding == "utf-16" else "\ufeff"
        content = (mark + "prompt,completion\nä,b\n").encode(encoding)
        assert written(tmp_path, "a.csv", content).rows[0].prompt == "ä"


def test_limits_stop_big_files_many_rows_and_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "MAX_ROWS", 10)
    with pytest.raises(UploadError, match="more than 10 rows"):
        written(tmp_path, "a.jsonl", jsonl(PAIRS))
    monkeypatch.setattr(readers, "MAX_BYTES", 10)
    with pytest.raises(UploadError, match="at most 0 MiB are taken"):
        written(tmp_path, "a.jsonl", jsonl(PAIRS))


def parquet(tmp_path, table, **options):
    path = tmp_path / "packed"
    pyarrow.parquet.write_table(table, path, **options)
    return path


def test_a_parquet_file_that_repeats_one_long_text_is_stopped(tmp_path):
    """Its dictionary holds the text once, so that neither file nor header tell its size."""
    long = pyarrow.DictionaryArray.from_arrays([0] * 5000, ["a" * 100_000])
    path = parquet(tmp_path, pyarrow.table({"text": long}))
    assert path.stat().st_size < 200_000
    with pytest.raises(UploadError, match=r"bomb\.parquet unpacks to more than 100 MiB"):
        read_upload(path, "bomb.parquet")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [(1_000_000, "row 1: more than 1,000,000 char"), (150_000_000, "1 GiB of memory")],
)
def test_a_parquet_value_of_many_parts_is_stopped(tmp_path, values, sentence):
    nothing = pyarrow.ListArray.from_arrays([0, values], pyarrow.nulls(values, pyarrow.int8()))
    path = parquet(tmp_path, pyarrow.table({"text": nothing}))
    assert path.stat().st_size < 100_000
    with pytest.raises(UploadError, match=sentence):
        read_upload(path, "bomb.parquet")


def test_a_parquet_file_with_too_many_rows_or_another_form_is_refused(tmp_path):
    path = parquet(tmp_path, pyarrow.table({"text": pyarrow.nulls(limits.MAX_ROWS + 1)}))
    with pytest.raises(UploadError, match="has 100,001 rows; at most 100,000"):
        read_upload(path, "a.parquet")
    path = parquet(tmp_path, pyarrow.table({"question": ["a"]}))
    with pytest.raises(UploadError, match=r"a\.parquet, row 1: none of the known forms"):
        read_upload(path, "a.parquet")


def test_a_parquet_file_is_read_for_the_columns_that_are_used(tmp_path):
    """A date beyond all calendars matters only where it is used."""
    rows = {"prompt": ["p"] * 9, "completion": pyarrow.array([1.5, None, float("nan")] * 3)}
    late = pyarrow.array([2**62] * 9, pyarrow.timestamp("us"))
    path = parquet(tmp_path, pyarrow.table(rows | {"when": late, "completon": late}))
    found = read_upload(path, "a.parquet")
    assert [row.completion for row in found.rows] == ["1.5"] * 3
    assert [str(problem) for problem in found.problems[:2]] == [
        "row 2: completion: a text or a number is needed, this is nothing",
        "row 3: completion: nan is no number and no text; tables write it for nothing",
    ]
    path = parquet(tmp_path, pyarrow.table({"prompt": ["p"], "completon": ["c"]}))
    with pytest.raises(UploadError, match="row 1: none of the known forms"):
        read_upload(path, "a.parquet")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (pyarrow.array([2**62] * 70, pyarrow.timestamp("us")), "out of range"),
        (pyarrow.array([1] * 70, pyarrow.timestamp("us", "Mars/Base")), "Mars/Base"),
        (pyarrow.array([b"\xff\xfe"] * 70).view(pyarrow.string()), "decode byte 0xff"),
        (pyarrow.array([b"\xff\xfe"] * 70), "decode byte 0xff"),
    ],
)
def test_a_parquet_value_that_cannot_be_read_is_told_with_its_reason(tmp_path, values, reason):
    path = parquet(tmp_path, pyarrow.table({"prompt": ["a"] * 70, "completion": values}))
    with pytest.raises(UploadError) as told:
        read_upload(path, "a.parquet")
    assert "a.parquet cannot be read, rows 1 to 64, column completion: " in str(told.value)
    assert reason in str(told.value)


def test_a_million_lines_are_refused_in_seconds(tmp_path):
    for line in ('{"text": "a"}\n', "x\n"):
        begun = time.perf_counter()
        with pytest.raises(UploadError, match="more than 100,000 rows"):
            written(tmp_path, "a.jsonl", line * 1_000_000)
        assert time.perf_counter() - begun < 10


def test_a_list_of_millions_of_values_is_refused_unread(tmp_path):
    with pytest.raises(UploadError, match="more than 2,000,000 values: save it as"):
        written(tmp_path, "a.json", "[" + "[]," * 1_100_000 + "[]]")


def test_a_json_list_counts_the_lines_of_the_file(tmp_path):
    found = written(tmp_path, "a.json", json.dumps([PAIRS[0], 5, PAIRS[1]], indent=1))
    assert (found.lines, str(found.problems[0])[:8]) == ((2, 7), "line 6: ")
    assert written(tmp_path, "a.json", json.dumps(PAIRS)).faulty == 0


def test_rows_in_quotes_are_counted_from_where_they_begin(tmp_path):
    found = written(tmp_path, "a.csv", 'prompt,completion\n"a\nb",c\n\n"a\n\nb",\nd,e\n')
    assert (found.lines, found.problems[0].line) == ((2, 8), 5)


def test_only_the_first_problems_are_kept_but_all_are_counted(tmp_path):
    found = written(tmp_path, "a.jsonl", jsonl(PAIRS[:1]) + "x\n" * 100)
    assert (len(found.problems), found.faulty) == (upload.TOLD_PROBLEMS, 100)
    with pytest.raises(UploadError, match="and 97 more lines"):
        found.demand_whole()


def test_the_split_is_seeded_whole_and_keeps_equal_prompts_together(tmp_path):
    rows = list(written(tmp_path, "a.jsonl", jsonl(PAIRS + PAIRS[:6])).rows)
    random.Random(1).shuffle(rows)
    train, held_out = split(rows, 0.25, seed=3)
    assert sorted(map(str, [*train, *held_out])) == sorted(map(str, rows))
    assert not {row.prompt for row in train} & {row.prompt for row in held_out}
    assert len({row.prompt for row in held_out}) == 3
    assert split(rows, 0.25, seed=3) == (train, held_out)
    assert split(rows, 0.25, seed=4) != (train, held_out)


@pytest.mark.parametrize(("rows", "share"), [(3, 0.1), (12, 0.0), (12, 0.95), (12, float("nan"))])
def test_a_split_that_cannot_be_made_is_refused(tmp_path, rows, share):
    found = written(tmp_path, "a.jsonl", jsonl(PAIRS[:rows]))
    with pytest.raises(UploadError):
        split(found.rows, share, seed=0)


def test_a_key_that_stands_twice_is_told_with_its_line(tmp_path):
    twice = '{"prompt": "a", "prompt": "b", "completion": "c"}\n'
    found = written(tmp_path, "a.jsonl", jsonl(PAIRS) + twice)
    assert [str(problem) for problem in found.problems] == [
        "line 13: the key 'prompt' stands twice"
    ]
    with pytest.raises(UploadError, match=r"a\.json, line 2: the key 'prompt' stands twice"):
        written(tmp_path, "a.json", f"[\n{twice}]")
    message = '{"role": "user", "role": "system", "content": "x"}'
    with pytest.raises(UploadError, match="line 1: the key 'role' stands twice"):
        written(tmp_path, "a.jsonl", f'{{"messages": [{message}]}}\n')


def test_many_keys_are_compared_in_a_moment(tmp_path):
    begun = time.monotonic()
    keys = ", ".join(f'"k{n}": 1' for n in range(70_000))
    with pytest.raises(UploadError, match="the key 'k0' stands twice"):
        written(tmp_path, "a.jsonl", f'{{{keys}, "k0": 1}}\n')
    assert time.monotonic() - begun < 10


def test_a_form_that_is_not_known_is_told_with_what_there_is(tmp_path):
    with pytest.raises(UploadError, match=r"line 2: none .*; this has 'question', 'answer'"):
        written(tmp_path, "a.csv", "question,answer\n1,2\n")


def test_a_file_a_little_too_big_is_told_with_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "MAX_BYTES", 2**20)
    with pytest.raises(UploadError, match=r"a\.txt has 1\.2 MiB; at most 1 MiB"):
        written(tmp_path, "a.txt", "x\n" * 630_000)
