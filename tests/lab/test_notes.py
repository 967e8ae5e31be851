import pytest

from explorer.catalogue.errors import ExplorerError
from explorer.lab.job import TrainJob
from explorer.lab.notes import Notes, read_notes, write_notes
from explorer.lab.runs import create_run

JOB = TrainJob(task="order-extraction", method="lora", steps=5, learning_rate=1e-3)


@pytest.fixture
def run(runs_here):
    return create_run(JOB)


def test_a_note_and_tags_are_kept_and_replaced(run):
    assert read_notes(run) == Notes()
    write_notes(run, "bétter\nthan before", ["#first", "first", " r=8 "[1:2] + "8", ""])
    assert read_notes(run) == Notes(note="bétter\nthan before", tags=("first", "r8"))
    write_notes(run, "", [])
    assert read_notes(run) == Notes()


@pytest.mark.parametrize(
    ("note", "tags", "sentence"),
    [
        ("x" * 4001, [], "The note has 4,001 characters; at most 4,000"),
        ("", ["two words"], "'two words' is no tag"),
        ("", ["<b>"], "is no tag"),
        ("", ["x" * 33], "at most 32 letters"),
        ("", [f"t{n}" for n in range(13)], "13 tags; a run has at most 12"),
    ],
)
def test_what_is_not_taken_is_told_and_changes_nothing(run, note, tags, sentence):
    write_notes(run, "before", ["kept"])
    with pytest.raises(ExplorerError, match=sentence):
        write_notes(run, note, tags)
    assert read_notes(run) == Notes(note="before", tags=("kept",))


def test_half_a_character_is_refused_before_anything_is_written(run):
    write_notes(run, "kept", [])
    with pytest.raises(ExplorerError, match="half a character"):
        write_notes(run, "\ud800", [])
    assert read_notes(run).note == "kept"
