"""How columns stand after blind votes: shares with intervals, and Bradley-Terry strengths.

A vote chooses one answer among several, so the strengths are those of Luce's choice model, which
for two answers is Bradley and Terry's: the chance of answer i is p_i over the sum of all p on the
ballot. Fitted by Hunter's minorize-maximize steps (Annals of Statistics 32, 2004).
"""

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from explorer.lab.metrics import interval
from explorer.lab.votes.ballots import Ballot

ENOUGH = 10  # votes that a column has to have been in before a strength is told
DRAWS = 200  # resampled sets of ballots behind a strength's interval
STEPS, CLOSE = 3000, 1e-7  # at most so many, until no strength changes by more
SCALE = 400 / math.log(10)  # a chance of 10 to 1 is 400 points, as in chess


@dataclass(frozen=True)
class Standing:
    """A column's votes. `share` counts a tie as half a win; intervals are 95 %.

    `rating` is in points around 0, with `rating_low` to `rating_high`; None with too few votes.
    """

    column: str
    name: str
    votes: int
    wins: int
    ties: int
    share: float
    low: float
    high: float
    rating: float | None = None
    rating_low: float | None = None
    rating_high: float | None = None


def standings(ballots: Sequence[Ballot]) -> list[Standing]:
    """Every column that was voted on, the best first."""
    names = {c: n for b in ballots for c, n in zip(b.columns, b.names, strict=True)}
    rated = _ratings(ballots)
    found = []
    for column, name in names.items():
        scores = [_score(ballot, column) for ballot in ballots if column in ballot.columns]
        low, high = interval(scores)
        counted = Counter(scores)
        found.append(
            Standing(
                column=column,
                name=name,
                votes=len(scores),
                wins=counted[1.0],
                ties=counted[0.5],
                share=sum(scores) / len(scores),
                low=low,
                high=high,
                **rated.get(column, {}),
            )
        )
    return sorted(found, key=lambda one: (one.rating or 0.0, one.share), reverse=True)


def strengths(
    ballots: Sequence[Ballot], start: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Luce's p of every column, the virtual opponent's being 1.

    Each column also meets an opponent of strength 1 once and gets half the win. That keeps a
    column that has won everything finite, and sets the scale.
    """
    p = {c: (start or {}).get(c, 1.0) for ballot in ballots for c in ballot.columns}
    won = dict.fromkeys(p, 0.5)
    fields = Counter(tuple(sorted(ballot.columns)) for ballot in ballots)
    for ballot in ballots:
        winners = [ballot.chosen] if ballot.chosen is not None else range(len(ballot.columns))
        for place in winners:
            won[ballot.columns[place]] += 1 / len(winners)
    for _ in range(STEPS):
        faced = {column: 1 / (p[column] + 1) for column in p}
        for columns, times in fields.items():
            share = times / sum(p[column] for column in columns)
            for column in columns:
                faced[column] += share
        before, p = p, {column: won[column] / faced[column] for column in p}
        if all(abs(p[column] / before[column] - 1) < CLOSE for column in p):
            break
    return p


def _score(ballot: Ballot, column: str) -> float:
    if ballot.chosen is None:
        return 0.5
    return float(ballot.columns[ballot.chosen] == column)


def _ratings(ballots: Sequence[Ballot]) -> dict[str, dict[str, float]]:
    """Points and their interval for every column with enough votes."""
    votes = Counter(column for ballot in ballots for column in ballot.columns)
    enough = [column for column, count in votes.items() if count >= ENOUGH]
    if len(enough) < 2:
        return {}
    fitted = strengths(ballots)
    points = _points(fitted)
    lots = random.Random(0)
    drawn = [
        _points(strengths(lots.choices(ballots, k=len(ballots)), fitted)) for _ in range(DRAWS)
    ]
    found = {}
    for column in enough:
        spread = sorted(sample[column] for sample in drawn if column in sample)
        low, high = spread[int(0.025 * len(spread))], spread[int(0.975 * (len(spread) - 1))]
        found[column] = {
            "rating": points[column],
            "rating_low": min(low, points[column]),
            "rating_high": max(high, points[column]),
        }
    return found


def _points(p: dict[str, float]) -> dict[str, float]:
    return {column: SCALE * math.log(value) for column, value in p.items()}
