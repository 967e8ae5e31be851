"""What 4 bits do to weights: their histogram with the NF4 levels, and the error that is left."""

from collections.abc import Sequence
from math import sqrt

import plotly.graph_objects as go

from explorer.catalogue.errors import ExplorerError
from explorer.figures.nf4 import BLOCK, LEVELS, quantize
from explorer.figures.theme import INK, LINE, QUERY, TRAINED, Theme, blank


def normalised(weights: Sequence[float], block: int = BLOCK) -> list[float]:
    """Weights divided by the largest absolute value of their block; zeros where that is 0."""
    values: list[float] = []
    for start in range(0, len(weights), block):
        held = weights[start : start + block]
        scale = max(map(abs, held), default=0.0) or 1.0
        values += [weight / scale for weight in held]
    return values


def dequantized(weights: Sequence[float], block: int = BLOCK) -> list[float]:
    """The weights as NF4 gives them back, with one exact scale a block."""
    values: list[float] = []
    for start in range(0, len(weights), block):
        codes, scale = quantize(list(weights[start : start + block]))
        values += [LEVELS[code] * scale for code in codes]
    return values


def level_histogram(weights: Sequence[float], theme: Theme = "light") -> go.Figure:
    """Histogram of the weights, each divided by its block's largest, over the sixteen levels.

    `weights` is a stretch of a weight matrix read row by row; ExplorerError for fewer than a block.
    """
    if len(weights) < BLOCK:
        raise ExplorerError(f"{len(weights)} weights were given: one block has {BLOCK}.")
    figure = blank(theme, "", height=380)
    figure.add_histogram(
        x=normalised(weights),
        xbins={"start": -1.0, "end": 1.0 + 1e-9, "size": 0.025},
        name="weight ÷ its block's largest",
        marker={"color": QUERY.on(theme), "opacity": 0.45},
        histnorm="probability density",
        hovertemplate="%{x}: density %{y:.2f}<extra></extra>",
    )
    figure.add_scatter(
        x=list(LEVELS),
        y=[0] * len(LEVELS),
        mode="markers",
        name="NF4 levels",
        marker={"symbol": "line-ns-open", "size": 22, "color": TRAINED.on(theme),
                "line": {"width": 2.5}},
        hovertemplate="level %{x:.4f}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(bargap=0.02)
    figure.update_xaxes(title_text="weight ÷ largest of its block of 64", range=[-1.05, 1.05])
    figure.update_yaxes(title_text="density", rangemode="tozero")
    return figure


def rounding(weights: Sequence[float], theme: Theme = "light") -> go.Figure:
    """Every weight against what NF4 gives back: a staircase around the diagonal."""
    if len(weights) < BLOCK:
        raise ExplorerError(f"{len(weights)} weights were given: one block has {BLOCK}.")
    given = dequantized(weights)
    error = sqrt(sum((a - b) ** 2 for a, b in zip(weights, given, strict=True)))
    size = sqrt(sum(a * a for a in weights))
    figure = blank(theme, "", height=420)
    ends = [min(weights), max(weights)]
    figure.add_scatter(
        x=ends, y=ends, mode="lines", name="no error", hoverinfo="skip",
        line={"color": LINE.on(theme), "dash": "dash", "width": 1.5},
    )  # fmt: skip
    figure.add_scatter(
        x=list(weights), y=given, mode="markers", name="weight after NF4",
        marker={"color": QUERY.on(theme), "size": 4, "opacity": 0.6},
        hovertemplate="%{x:.5f} → %{y:.5f}<extra></extra>",
    )  # fmt: skip
    share = 100 * error / size if size else 0.0
    figure.add_annotation(
        text=f"relative error {share:.1f} %", x=0.02, y=0.98, xref="paper", yref="paper",
        xanchor="left", yanchor="top", showarrow=False, font={"size": 13, "color": INK.on(theme)},
    )  # fmt: skip
    figure.update_xaxes(title_text="weight")
    figure.update_yaxes(title_text="weight after NF4")
    return figure
