"""Smaller models that beat larger ones: pairs from one table of one document, measured alike."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import hypot

from explorer.catalogue.benchmark import Benchmark, Score
from explorer.catalogue.model import Model
from explorer.figures.chart import Chart, Row, hover, label_rows, total_parameters
from explorer.figures.theme import EDGE, MUTED, Theme, blank, generation_mark, silent

# Groups of benchmarks whose figures are no percentages that belong on one axis with the rest.
OWN_SCALES = ("safety", "averages", "on device", "bias and truthfulness")
_INTERVAL = re.compile(r"±(\d+(?:\.\d+)?) \(95% CI\)")  # as the Llama 3 paper's figures have it


@dataclass(frozen=True)
class Pair:
    """Two comparable scores, of which the smaller model's is better."""

    smaller: Score
    larger: Score
    ratio: float  # how many times larger the larger model is

    @property
    def gain(self) -> float:
        """By how much the smaller model's figure is better, in the metric's unit."""
        return abs(self.smaller.value - self.larger.value)


def beating_pairs(
    scores: Iterable[Score], models: Mapping[str, Model], at_least: float = 1.5
) -> list[Pair]:
    """All pairs with a size ratio of `at_least`, the largest ratio first.

    Both figures stand in one document with the same metric, part, shots and kind of model.
    """
    sets: dict[tuple[str, ...], list[tuple[float, Score]]] = {}
    for score in scores:
        model = models.get(score.model)
        size = total_parameters(model) if model else None
        if score.plot and size:
            sets.setdefault((score.variant, *score.comparable_with), []).append((size, score))
    found: list[Pair] = []
    for held in sets.values():
        for one, other in combinations(held, 2):
            (small, fewer), (large, more) = sorted((one, other), key=lambda pair: pair[0])
            sign = -1 if fewer.better == "lower" else 1
            if large / small >= at_least and sign * (fewer.value - more.value) > 0:
                found.append(Pair(fewer, more, large / small))
    return sorted(found, key=lambda pair: (-pair.ratio, -pair.gain))


def striking_pairs(
    scores: Iterable[Score],
    models: Mapping[str, Model],
    benchmarks: Mapping[str, Benchmark],
    most: int = 16,
) -> list[Pair]:
    """One pair for two models (the benchmark with the largest gain), the largest ratio first.

    Left out: figures on scales of their own (safety, averages, devices), gains below a point, gains
    that are no larger than the 95 % intervals printed with them, and smaller models that do no
    better than guessing.
    """
    scores = tuple(scores)
    margins = _margins(scores)
    best: dict[tuple[str, str], Pair] = {}
    for pair in beating_pairs(scores, models):
        benchmark = benchmarks[pair.smaller.benchmark]
        chance = benchmark.chance.value or 0
        if benchmark.group in OWN_SCALES or pair.gain < 1 or pair.smaller.value <= chance + 1:
            continue
        if pair.gain <= hypot(*(margins.get(_place(s), 0) for s in (pair.smaller, pair.larger))):
            continue
        key = (pair.smaller.model, pair.larger.model)
        if key not in best or pair.gain > best[key].gain:
            best[key] = pair
    return list(best.values())[:most]


def _place(score: Score) -> tuple[str, ...]:
    return (score.model, score.variant, *score.comparable_with)


def _margins(scores: Sequence[Score]) -> dict[tuple[str, ...], float]:
    """Half the printed interval of every figure that has one, in whichever table that stands."""
    printed = ((score, _INTERVAL.search(score.note)) for score in scores)
    return {_place(score): float(found.group(1)) for score, found in printed if found}


def smaller_beats_larger(
    scores: Iterable[Score],
    models: Mapping[str, Model],
    benchmarks: Mapping[str, Benchmark],
    theme: Theme = "light",
    most: int = 16,
) -> Chart:
    """The most striking pairs as two marks on a line: the smaller model's and the larger one's."""
    pairs = striking_pairs(scores, models, benchmarks, most)
    if not pairs:
        return Chart(silent(theme, "No smaller model beats a larger one among these figures."))
    figure = blank(theme, "", height=110 + 78 * len(pairs))
    for row, pair in enumerate(pairs):
        figure.add_scatter(
            x=[pair.larger.value, pair.smaller.value], y=[row, row], mode="lines",
            line={"color": EDGE.on(theme), "width": 4}, hoverinfo="skip", showlegend=False,
        )  # fmt: skip
    for name in ("larger", "smaller"):
        held = [getattr(pair, name) for pair in pairs]
        marks = [generation_mark(models[score.model].generation).colour for score in held]
        colours = [(MUTED if name == "larger" else mark).on(theme) for mark in marks]
        figure.add_scatter(
            x=[score.value for score in held],
            y=list(range(len(pairs))),
            mode="markers",
            name=f"{name} model",
            marker={
                "color": colours,
                "symbol": "circle-open" if name == "larger" else "circle",
                "size": 12,
                "line": {"width": 2, "color": colours},
            },
            hovertext=[_told(score, models) for score in held],
            hoverinfo="text",
        )
    figure.update_layout(legend={"yref": "paper", "y": 1.0, "yanchor": "bottom"})
    label_rows(figure, [_label(pair, models, benchmarks) for pair in pairs], theme)
    figure.update_xaxes(title_text="score, in each benchmark's own metric")
    warning = (
        "Within a line both figures come from one document, with the same metric and shots. Lines "
        "are of different benchmarks: their lengths are not comparable with each other."
    )
    return Chart(figure, (warning,), tuple(_row(pair) for pair in pairs))


def _row(pair: Pair) -> Row:
    smaller, larger = pair.smaller, pair.larger
    return {
        "smaller": smaller.model, "larger": larger.model, "ratio": round(pair.ratio, 2),
        "benchmark": smaller.benchmark, "part": smaller.part, "metric": smaller.metric,
        "shots": smaller.shots, "variant": smaller.variant, "smaller_value": smaller.value,
        "larger_value": larger.value, "source": "; ".join(smaller.source),
    }  # fmt: skip


def _label(pair: Pair, models: Mapping[str, Model], benchmarks: Mapping[str, Benchmark]) -> str:
    one, other = (models[s.model].name.value for s in (pair.smaller, pair.larger))
    score = pair.smaller
    metric = score.metric if score.metric.startswith("pass@") else ""
    what = ", ".join(filter(None, (benchmarks[score.benchmark].name, score.part, metric)))
    said = f"<b>{one}</b> beats {other}"
    return f"{said}<br>{pair.ratio:.3g}× its size<br>{what} ({score.variant})"


def _told(score: Score, models: Mapping[str, Model]) -> str:
    name = models[score.model].name.value
    facts = {"part": score.part, "metric": score.metric, "shots": score.shots}
    return hover(f"{name} ({score.variant}): {score.value:g}", facts, score.source)
