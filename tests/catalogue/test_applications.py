"""Uses and limits: complete, sourced, and leading to what the catalogue has."""

import shutil

import pytest

from explorer.catalogue.applications import load_applications, load_challenges
from explorer.catalogue.load import DATA, DataFileError
from explorer.catalogue.survey import load_survey

TOPICS = [*load_applications().values(), *load_challenges().values()]


def test_the_areas_of_use_and_the_challenges_are_those_of_the_survey():
    assert list(load_applications()) == [
        "medicine",
        "law",
        "vision-language",
        "code",
        "edge",
        "conversation",
    ]
    assert list(load_challenges()) == [
        "context",
        "robustness",
        "hardware",
        "stability",
        "language-coverage",
    ]


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.id)
def test_every_entry_names_a_document(topic):
    for entry in topic.entries:
        assert {source.partition(":")[0] for source in entry.source} <= set(topic.sources)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.id)
def test_how_the_survey_is_known_to_name_it_is_one_of_the_survey_files_tags(topic):
    assert topic.evidence in load_survey().tags


def test_an_entry_that_builds_on_an_unknown_model_is_told_with_the_nearest(tmp_path):
    shutil.copytree(DATA, tmp_path / "data")
    path = tmp_path / "data" / "applications" / "code.toml"
    path.write_text(path.read_text("utf-8").replace('"llama-1-7b"', '"llama-1-8b"'), "utf-8")
    told = r"applications/code\.toml: LLaMA-Reviewer: There is no model 'llama-1-8b'. Did you mean"
    with pytest.raises(DataFileError, match=told):
        load_applications(tmp_path / "data")
