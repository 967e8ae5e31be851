"""Blind votes: asking blindly, voting, and the standings."""

from typing import Any

from markupsafe import Markup

from explorer.lab.votes.ballots import Ballot, list_votes, vote
from explorer.lab.votes.rating import ENOUGH, Standing, standings
from explorer.ui.compare_actions import CompareActions, sampling
from explorer.ui.errors import told
from explorer.ui.markup import element, joined


class VoteActions:
    """Votes over the comparison's actions."""

    def __init__(self, actions: CompareActions) -> None:
        self.actions = actions

    @told
    def compare_blindly(
        self,
        prompt: str,
        runs: list[str],
        max_new_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> dict[str, Any]:
        """Ask base and adapters, and get their answers without names, in an order drawn by lot.

        Args:
            prompt: what is asked.
            runs: columns as for `compare`.
            max_new_tokens: longest answer.
            temperature: 0 is greedy.
            seed: of the draws.

        Returns:
            ballot (to vote with), prompt, and answers by letter.
        """
        settings = sampling(max_new_tokens, temperature, 1.0, 0, 1.0, "")
        request = self.actions.request(prompt, runs, settings, seed)
        *_, (board, ballot) = self.actions.watch_blindly(request)
        texts = [column.text for column in board.columns.values()]
        answers = dict(zip(ballot.letters, texts, strict=True))
        return {"ballot": ballot.id, "prompt": prompt, "answers": answers}

    @told
    def vote(self, ballot: str, choice: str) -> dict[str, Any]:
        """Vote for an answer of a blind comparison; the names are told in return.

        Args:
            ballot: its id, from `compare_blindly`.
            choice: the answer's letter, or tie.

        Returns:
            names and columns by letter, and the choice.
        """
        voted = vote(ballot, choice)
        return {
            "ballot": voted.id,
            "choice": voted.choice,
            "names": dict(zip(voted.letters, voted.names, strict=True)),
            "columns": dict(zip(voted.letters, voted.columns, strict=True)),
        }

    @told
    def vote_standings(self) -> list[dict[str, Any]]:
        """How the columns stand after all blind votes.

        Returns:
            For each column its name, votes, wins, ties, share with a 95 % interval, and with ten
            votes or more a rating (Bradley-Terry, 400 points for 10 to 1) with its interval.
        """
        return [vars(one) for one in standings(list(list_votes()))]


def revealed(ballot: Ballot) -> Markup:
    """What was voted for, and which column each letter was."""
    if ballot.chosen is None:
        words = "You called it a tie."
    else:
        words = f"You chose {ballot.choice}: {ballot.names[ballot.chosen]}."
    pairs = zip(ballot.letters, ballot.names, strict=True)
    listed = ", ".join(f"{letter} was {name}" for letter, name in pairs)
    return element("p", element("strong", words), f" {listed}.", class_="notice", role="status")


def standings_html() -> Markup:
    """The standings as a table."""
    ballots = list(list_votes())
    if not ballots:
        return element("p", "Nobody has voted yet. Ask with “Blind” switched on.", class_="faint")
    found = standings(ballots)
    heads = (
        ("column", None), ("votes", "num"), ("won", "num"), ("tied", "num"),
        ("share (95 %)", "num"), ("rating (95 %)", "num"),
    )  # fmt: skip
    head = element("tr", *(element("th", words, class_=kind) for words, kind in heads))
    rows = [_row(one) for one in found]
    table = element("table", element("thead", head), element("tbody", *rows), class_="plain")
    count = f"{len(ballots)} vote{'s' if len(ballots) > 1 else ''}. "
    note = element(
        "p",
        count,
        "A tie is half a win. Ratings are Bradley-Terry strengths, 400 points for a chance of 10 "
        f"to 1, told from {ENOUGH} votes on; their intervals come from redrawing the votes.",
        class_="faint",
    )
    return joined([element("div", table, class_="scroll", tabindex="0"), note])


def _row(one: Standing) -> Markup:
    rating = "too few votes"
    if one.rating is not None:
        rating = f"{one.rating:+.0f} ({one.rating_low:+.0f} to {one.rating_high:+.0f})"
    share = f"{100 * one.share:.0f} % ({100 * one.low:.0f} % to {100 * one.high:.0f} %)"
    numbers = (one.votes, one.wins, one.ties, share, rating)
    name = element("th", one.name, element("span", one.column, class_="why"), scope="row")
    return element("tr", name, *(element("td", str(value), class_="num") for value in numbers))
