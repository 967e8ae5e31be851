"""`python -m explorer methods`: the list and a card."""

import json

from explorer import cli
from explorer.catalogue.load import DATA


def printed(capsys, *arguments):
    assert cli.run(list(arguments)) == 0
    return capsys.readouterr().out


def test_the_list_has_every_method_with_the_five_of_the_survey_first(capsys):
    listed = json.loads(printed(capsys, "methods", "--json"))
    assert [row["id"] for row in listed[:5]] == [
        "llama-adapter-v1",
        "llama-adapter-v2",
        "llama-excitor",
        "lora",
        "qlora",
    ]
    assert {row["id"] for row in listed} == {p.stem for p in (DATA / "methods").glob("*.toml")}


def test_only_the_survey_can_be_asked_for(capsys):
    listed = json.loads(printed(capsys, "methods", "--survey", "--json"))
    assert all(row["survey"] for row in listed)
    assert len(listed) == 5


def test_a_card_has_the_equation_the_knobs_and_the_paper(capsys):
    card = json.loads(printed(capsys, "methods", "lora", "--json"))
    assert card["knobs"]["r"]["default"] == 8
    assert card["paper"]["arxiv"] == "2106.09685"
    text = printed(capsys, "methods", "lora")
    assert "r: int, default 8, min 1" in text
    assert "https://arxiv.org/abs/2106.09685" in text


def test_an_unknown_method_suggests_the_nearest(capsys):
    assert cli.run(["methods", "qlroa"]) == cli.USAGE_ERROR
    assert "Did you mean 'qlora'?" in capsys.readouterr().err
