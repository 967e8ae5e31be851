"""`python -m explorer models`: the list, a card, and that it costs next to nothing."""

import json
import resource
import subprocess
import sys

import pytest

from explorer import cli
from explorer.catalogue.load import DATA, read_toml


def printed(capsys, *arguments):
    assert cli.run(list(arguments)) == 0
    return capsys.readouterr().out


def test_the_list_runs_from_the_oldest_generation_to_the_guards(capsys):
    listed = json.loads(printed(capsys, "models", "--json"))
    assert listed[0]["id"] == "llama-1-7b"
    assert [row["id"] for row in listed if row["generation"] == "llama-2"] == [
        "llama-2-7b",
        "llama-2-13b",
        "llama-2-34b",
        "llama-2-70b",
    ]
    assert listed[-1]["generation"] == "llama-guard"


def test_the_list_says_what_was_never_released(capsys):
    listed = json.loads(printed(capsys, "models", "--json"))
    unreleased = {row["id"] for row in listed if not row["released"]}
    assert unreleased == {"llama-2-34b", "llama-4-behemoth"}


def test_a_generation_narrows_the_list(capsys):
    listed = json.loads(printed(capsys, "models", "--generation", "llama-3.3", "--json"))
    assert [row["id"] for row in listed] == ["llama-3.3-70b"]


def test_the_table_shows_a_count_or_what_meta_says(capsys):
    table = printed(capsys, "models")
    assert "108,641,793,536" in table
    assert "nearly 2T" in table


def test_a_card_has_every_fact_with_its_sources_and_other_opinions(capsys):
    card = json.loads(printed(capsys, "models", "llama-2-7b", "--json"))
    heads = card["facts"]["num_key_value_heads"]
    assert (heads["value"], heads["also"][0]["value"]) == (32, 8)
    assert set(card["sources"]) >= {entry.split(":")[0] for entry in heads["source"]}
    assert card["architecture"]["num_key_value_heads"] == 32


def test_a_card_holds_a_fact_as_its_file_does(capsys):
    card = json.loads(printed(capsys, "models", "llama-3.2-11b-vision", "--json"))
    file = read_toml(DATA / "models" / "llama-3.2-11b-vision.toml")
    assert card["facts"]["vision"] == file["vision"]


def test_a_card_as_text_shows_who_disagrees(capsys):
    text = printed(capsys, "models", "llama-2-7b")
    assert "num_key_value_heads: 32" in text
    assert "    but 8 (an error of that file" in text


def test_a_card_of_an_unpublished_shape_says_what_is_unknown(capsys):
    card = json.loads(printed(capsys, "models", "llama-4-behemoth", "--json"))
    assert card["architecture"] is None
    assert card["unknown_shape"]["hidden_size"] == "not published"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["llama-3.1-8"], "There is no model 'llama-3.1-8'. Did you mean 'llama-3.1-8b'?"),
        (["--generation", "llama3"], "There is no generation 'llama3'. Did you mean 'llama-3'?"),
    ],
)
def test_an_unknown_id_is_one_sentence_with_the_nearest(capsys, arguments, told):
    assert cli.run(["models", *arguments]) == cli.USAGE_ERROR
    said = capsys.readouterr()
    assert said.err == f"explorer models: {told}\n"
    assert said.out == ""


def test_it_needs_neither_torch_nor_gradio_nor_pandas():
    script = (
        "import sys; from explorer import cli; cli.run(['models']); "
        "heavy = {'torch', 'transformers', 'peft', 'gradio', 'plotly', 'pandas', 'numpy'}; "
        "sys.exit(sorted(heavy & set(sys.modules)).__repr__() if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_it_answers_with_less_than_half_a_second_of_work():
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "explorer", "models"], check=True, capture_output=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < 0.5
