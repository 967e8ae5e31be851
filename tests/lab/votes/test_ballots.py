import os

import pytest

from explorer.catalogue.errors import ExplorerError, UnknownNameError
from explorer.lab.votes.ballots import (
    find_ballot,
    list_votes,
    open_ballot,
    shuffled,
    vote,
    votes_folder,
)

pytestmark = pytest.mark.usefixtures("runs_here")


def opened(columns=("r1", "base", "r2")):
    return open_ballot("hi", "b", columns, [f"n {c}" for c in columns], {"answers": [1]})


def test_a_ballot_is_voted_on_once_and_kept_beside_the_runs(runs_here):
    ballot = opened()
    assert ballot.letters == "ABC"
    assert list(list_votes()) == []
    voted = vote(ballot.id, "B")
    assert voted.columns[voted.chosen] == "base"
    assert find_ballot(ballot.id) == voted
    assert [found.id for found in list_votes()] == [ballot.id]
    assert (runs_here / "votes" / f"{ballot.id}.json").is_file()
    with pytest.raises(ExplorerError, match=r"has its vote already \(B\)"):
        vote(ballot.id, "A")
    tie = vote(opened().id, "tie")
    assert tie.chosen is None


@pytest.mark.parametrize("name", ["vote-000000000000", "../job", "", "vote-<script>"])
def test_a_ballot_that_is_not_there_is_told(name):
    with pytest.raises(UnknownNameError, match="There is no ballot"):
        vote(name, "A")


@pytest.mark.parametrize("choice", ["D", "a", "", "base"])
def test_only_what_is_on_the_ballot_can_be_chosen(choice):
    ballot = opened()
    with pytest.raises(UnknownNameError, match="There is no answer"):
        vote(ballot.id, choice)
    assert not find_ballot(ballot.id).choice


def test_one_column_is_nothing_to_vote_on():
    with pytest.raises(ExplorerError, match="at least two columns"):
        opened(("base",))


def test_old_ballots_without_a_vote_are_thrown_away():
    unused, used = opened(), opened()
    vote(used.id, "A")
    for path in votes_folder().iterdir():
        os.utime(path, (0, 0))
    opened()
    assert find_ballot(used.id).choice == "A"
    with pytest.raises(UnknownNameError):
        find_ballot(unused.id)


def test_the_order_is_drawn_by_lot():
    orders = {tuple(shuffled("abc")) for _ in range(200)}
    assert len(orders) == 6


@pytest.mark.parametrize("text", ["", "{}", '{"id"'])
def test_a_ballot_that_cannot_be_read_spoils_no_other(text):
    good, bad = opened(), opened()
    vote(good.id, "A")
    (votes_folder() / f"{bad.id}.json").write_text(text)
    assert [found.id for found in list_votes()] == [good.id]
    assert opened().letters == "ABC"
    with pytest.raises(ExplorerError, match=f"{bad.id}.json cannot be read"):
        vote(bad.id, "A")
