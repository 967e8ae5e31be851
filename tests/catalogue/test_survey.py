"""The survey's record: labelled by how each statement is known."""

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.survey import load_survey

SURVEY = load_survey()


def test_it_is_the_survey_with_its_eight_authors_in_order():
    assert SURVEY.arxiv == "2510.12178"
    assert [author.name for author in SURVEY.authors][::7] == [
        "Abdulhady Abas Abdullah",
        "Hadi Veisi",
    ]
    assert len(SURVEY.authors) == 8


def test_all_nine_inconsistencies_are_there_with_their_labels():
    assert [item.number for item in SURVEY.inconsistencies] == list(range(1, 10))
    assert {item.number for item in SURVEY.inconsistencies if item.evidence == "S"} == {1, 9}


def test_what_was_only_reported_rests_on_third_parties():
    for item in SURVEY.inconsistencies:
        if item.evidence == "R":
            kinds = {SURVEY.sources[e].kind for e in item.source if e in SURVEY.sources}
            assert "third party" in kinds


def test_what_was_seen_rests_on_the_survey_itself():
    for fact in SURVEY.facts:
        if fact.evidence == "S":
            assert set(fact.source) <= {"abstract", "title_block"}


def test_every_model_that_is_named_is_in_the_catalogue():
    models = load_catalogue().models
    assert all(name in models for item in SURVEY.inconsistencies for name in item.models)
