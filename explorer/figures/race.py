"""A race's runs as points: what is reached against what it costs, and seeds with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import plotly.graph_objects as go

from explorer.catalogue.errors import unknown
from explorer.figures.theme import INK, LINE, MUTED, Theme, blank, method_mark, silent

Record = Mapping[str, Any]  # one run, with explorer.lab.race's keys and `name`
REFERENCE = "full"


@dataclass(frozen=True)
class Cost:
    """Something that a run takes: its key, its words, the factor to its unit."""

    key: str
    label: str
    factor: float = 1.0
    log: bool = False


COSTS: dict[str, Cost] = {
    "trainable": Cost("trainable", "trainable parameters", log=True),
    "memory": Cost("peak_bytes", "peak memory, MiB", 2**-20),
    "time": Cost("seconds", "training time, seconds"),
    "adapter": Cost("adapter_bytes", "size of the saved adapter, MiB", 2**-20, log=True),
    "forgetting": Cost("forgetting", "forgetting, nats a token on neutral text"),
}
GOALS: dict[str, tuple[str, str]] = {
    "metric": ("metric", "held-out metric"),
    "loss": ("heldout_loss_after", "held-out loss, nats an answer token"),
}


def race_pareto(
    records: Sequence[Record], cost: str = "trainable", goal: str = "metric", theme: Theme = "light"
) -> go.Figure:
    """Every finished run by what it reached and what it took.

    Full fine-tuning is the dashed line to beat, the untouched base the dotted one; with the metric,
    each point has its 95 % interval.
    """
    if cost not in COSTS:
        raise unknown("cost", cost, COSTS)
    if goal not in GOALS:
        raise unknown("goal", goal, GOALS)
    taken, (key, label) = COSTS[cost], GOALS[goal]
    done = [r for r in records if r[key] is not None and r[taken.key] is not None]
    if not done:
        return silent(theme, "No run here has finished.", 360)
    figure = blank(theme, "", height=420)
    _add_lines(figure, done, goal, theme)
    for record in done:
        mark = method_mark(record["method"])
        colour = mark.colour.on(theme)
        value = record[key]
        low, high = record["interval"] if goal == "metric" else (value, value)
        figure.add_scatter(
            x=[record[taken.key] * taken.factor],
            y=[value],
            name=record["name"],
            mode="markers",
            marker={"color": colour, "symbol": mark.symbol, "size": 13, "line": {"width": 2}},
            error_y={"type": "data", "symmetric": False, "array": [high - value],
                     "arrayminus": [value - low], "color": colour, "thickness": 1.2},
            hovertemplate=f"{record['name']}<br>%{{x:,.4g}}: %{{y:.3f}}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title_text=taken.label, type="log" if taken.log else "linear")
    figure.update_yaxes(title_text=label, range=[-0.04, 1.12] if goal == "metric" else None)
    figure.update_layout(showlegend=True)
    return figure


def _add_lines(figure: go.Figure, done: Sequence[Record], goal: str, theme: Theme) -> None:
    """What is to be beaten: full fine-tuning, and the base."""
    key = GOALS[goal][0]
    before = "metric_base" if goal == "metric" else "heldout_loss_base"
    full = [r[key] for r in done if r["method"] == REFERENCE]
    bases = [r[before] for r in done if r["quantization"] == "none" and r[before] is not None]
    lines = [(full, "full fine-tuning", "dash", INK), (bases, "the base", "dot", MUTED)]
    for values, words, dash, colour in lines:
        if values:
            figure.add_hline(
                y=fmean(values), line={"color": colour.on(theme), "dash": dash, "width": 1.5},
                annotation={"text": words, "font": {"size": 11, "color": colour.on(theme)}},
                annotation_position="top left",
            )  # fmt: skip


def seeds_chart(
    records: Sequence[Record], means: Sequence[Mapping[str, Any]], theme: Theme = "light"
) -> go.Figure:
    """Each method's runs as small marks, their mean with its 95 % interval over the seeds.

    `means` are the lines of `explorer.lab.race.over_seeds`, with `name`.
    """
    if not means or max(line["seeds"] for line in means) < 2:
        return silent(theme, "Several seeds of a method are needed for an interval over them.", 360)
    figure = blank(theme, "", height=110 + 46 * len(means))
    for place, line in enumerate(means):
        mark = method_mark(line["method"])
        colour = mark.colour.on(theme)
        own = [
            r["metric"]
            for r in records
            if r["method"] == line["method"] and r["metric"] is not None
        ]
        figure.add_scatter(
            x=own, y=[place] * len(own), mode="markers", showlegend=False,
            marker={"color": LINE.on(theme), "size": 7, "symbol": "line-ns-open"},
            hovertemplate="one seed: %{x:.3f}<extra></extra>",
        )  # fmt: skip
        low, high = (line["mean"] if line[end] is None else line[end] for end in ("low", "high"))
        figure.add_scatter(
            x=[line["mean"]], y=[place], mode="markers", showlegend=False,
            marker={"color": colour, "size": 12, "symbol": mark.symbol},
            error_x={"type": "data", "symmetric": False, "array": [high - line["mean"]],
                     "arrayminus": [line["mean"] - low], "color": colour},
            hovertemplate=f"{line['name']}: %{{x:.3f}} over {line['seeds']} seeds<extra></extra>",
        )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(range(len(means))), ticktext=[line["name"] for line in means],
        range=[len(means) - 0.5, -0.5], showgrid=False,
    )  # fmt: skip
    figure.update_xaxes(title_text="held-out metric: mean and 95 % interval over seeds")
    return figure
