"""What was measured of a quantized layer: its histogram under the levels, error by block size."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from explorer.figures.theme import KEY, QUERY, TRAINED, Colour, Theme, blank

NAMES = {"nf4": "NF4", "fp4": "FP4", "int4": "int4"}
COLOURS: dict[str, Colour] = {"nf4": TRAINED, "fp4": QUERY, "int4": KEY}
SYMBOLS = {"nf4": "circle", "fp4": "square", "int4": "diamond"}


def levels_on_weights(
    histogram: Sequence[float], levels: Mapping[str, Sequence[float]], theme: Theme = "light"
) -> go.Figure:
    """Weights over their block's largest as bars; below them a row of levels for each type.

    `histogram` are the shares of equal bins from -1 to 1.
    """
    width = 2 / len(histogram)
    centres = [-1 + width * (place + 0.5) for place in range(len(histogram))]
    top = max(histogram)
    figure = blank(theme, "Where weights lie, and the levels they are rounded to", height=380)
    figure.add_bar(
        x=centres, y=histogram, name="weights", width=width * 0.95,
        marker={"color": QUERY.on(theme), "opacity": 0.4},
        hovertemplate="%{x:.2f}: %{y:.2%} of the weights<extra></extra>",
    )  # fmt: skip
    for row, (kind, values) in enumerate(levels.items(), start=1):
        figure.add_scatter(
            x=list(values), y=[-0.09 * top * row] * len(values), mode="markers",
            name=NAMES.get(kind, kind),
            marker={"symbol": "line-ns-open", "size": 14, "color": COLOURS[kind].on(theme),
                    "line": {"width": 2.5}},
            hovertemplate=f"{NAMES.get(kind, kind)} level %{{x:.4f}}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title_text="weight ÷ largest of its block of 64", range=[-1.05, 1.05])
    figure.update_yaxes(title_text="share of the weights", tickformat=".0%", rangemode="normal")
    figure.update_layout(showlegend=True)
    return figure


def error_by_block(errors: Sequence[Mapping[str, Any]], theme: Theme = "light") -> go.Figure:
    """‖W - Ŵ‖ / ‖W‖ against the block size, with 32-bit scales and with double quantization."""
    figure = blank(theme, "Error by block size", height=380)
    for kind in dict.fromkeys(error["kind"] for error in errors):
        for double in (False, True):
            line = [e for e in errors if (e["kind"], e["double"]) == (kind, double)]
            name = NAMES.get(kind, kind) + (", double" if double else "")
            figure.add_scatter(
                x=[e["block"] for e in line],
                y=[e["error"] for e in line],
                name=name,
                customdata=[e["bits"] for e in line],
                mode="lines+markers",
                line={"color": COLOURS[kind].on(theme), "dash": "dot" if double else "solid"},
                marker={"symbol": SYMBOLS[kind] + ("-open" if double else ""), "size": 7},
                hovertemplate=f"{name}, blocks of %{{x}}: %{{y:.2%}}"
                "<br>%{customdata:.3f} bits a weight<extra></extra>",
            )
    blocks = sorted({e["block"] for e in errors})
    figure.update_xaxes(
        title_text="weights that share a scale", type="log", tickvals=blocks,
        ticktext=[str(block) for block in blocks],
    )  # fmt: skip
    figure.update_yaxes(title_text="relative error", tickformat=".0%", rangemode="tozero")
    figure.update_layout(showlegend=True)
    return figure
