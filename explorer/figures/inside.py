"""Inside a finished run: changed weights, gates, prompts, and how far each layer moved."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import plotly.graph_objects as go

from explorer.figures.theme import (
    FACE,
    QUERY,
    TRAINED,
    Theme,
    blank,
    series_marks,
    silent,
)

Rows = Sequence[Mapping[str, Any]]
SITES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head")


def change_map(changes: Rows, theme: Theme = "light") -> go.Figure:
    """‖ΔW‖ / ‖W‖ of every linear that changed: layers across, sites down."""
    if not changes:
        return silent(theme, "This method changes no weight matrix.", 200)
    sites = sorted({row["site"] for row in changes}, key=_place)
    layers = sorted({row["layer"] for row in changes})
    values = {(row["site"], row["layer"]): row["relative"] for row in changes}
    figure = blank(theme, "How far each weight moved: ‖ΔW‖ / ‖W‖", height=140 + 34 * len(sites))
    figure.add_heatmap(
        x=layers,
        y=sites,
        z=[[values.get((site, layer)) for layer in layers] for site in sites],
        colorscale=_scale(theme),
        zmin=0,
        colorbar={"thickness": 10, "outlinewidth": 0, "tickformat": ".1%"},
        hovertemplate="layer %{x}, %{y}: %{z:.3%}<extra></extra>",
    )
    figure.update_xaxes(title_text="layer", showgrid=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def singular_values(changes: Rows, theme: Theme = "light") -> go.Figure:
    """Singular values of each site's ΔW = B A, averaged over the layers, the largest first."""
    thin = [row for row in changes if row["singular"]]
    if not thin:
        return silent(theme, "This method has no B A whose singular values could be shown.", 200)
    sites = sorted({row["site"] for row in thin}, key=_place)
    figure = blank(theme, "Singular values of B A, mean over the layers", height=340)
    for site, mark in zip(sites, series_marks(len(sites)), strict=True):
        columns = zip(*(row["singular"] for row in thin if row["site"] == site), strict=True)
        means = [fmean(column) for column in columns]
        figure.add_scatter(
            x=list(range(1, len(means) + 1)), y=means, name=site, mode="lines+markers",
            line={"color": mark.colour.on(theme), "dash": mark.dash, "width": 2},
            marker={"symbol": mark.symbol, "size": 7},
            hovertemplate=f"{site}, value %{{x}}: %{{y:.4f}}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title_text="place, the largest first", dtick=1)
    figure.update_yaxes(title_text="singular value", rangemode="tozero")
    figure.update_layout(showlegend=True)
    return figure


def gate_paths(steps: Rows, theme: Theme = "light") -> go.Figure:
    """Mean |gate| of every layer against the step; later layers are darker."""
    taken = [step for step in steps if step["gates"]]
    if not taken:
        return silent(theme, "This method has no gates.", 200)
    layers = sorted({layer for step in taken for layer in step["gates"]}, key=int)
    figure = blank(theme, "Gates opening, a line a layer", height=340)
    for number, layer in enumerate(layers):
        share = number / max(1, len(layers) - 1)
        figure.add_scatter(
            x=[step["step"] for step in taken],
            y=[step["gates"].get(layer) for step in taken],
            name=f"layer {layer}",
            mode="lines",
            opacity=0.3 + 0.7 * share,
            line={"color": TRAINED.on(theme), "width": 1 + 1.5 * share},
            hovertemplate=f"layer {layer}, step %{{x}}: %{{y:.4f}}<extra></extra>",
        )
    figure.update_xaxes(title_text="step", rangemode="tozero")
    figure.update_yaxes(title_text="mean |gate| over heads", rangemode="tozero")
    figure.update_layout(showlegend=False)
    return figure


def prompt_map(prompted: Rows, theme: Theme = "light") -> go.Figure:
    """What each prompt gets of a layer's attention beside the text: gate share times softmax."""
    if not prompted:
        return silent(theme, "This method has no prompts inside the attention.", 200)
    layers = [row["layer"] for row in prompted]
    prompts = list(range(1, len(prompted[0]["by_prompt"]) + 1))
    z = [[row["mass"] * row["by_prompt"][number - 1] for row in prompted] for number in prompts]
    figure = blank(
        theme,
        "Attention that each prompt gets, of all of a layer's",
        height=150 + 20 * len(prompts),
    )
    figure.add_heatmap(
        x=layers, y=prompts, z=z, colorscale=_scale(theme), zmin=0,
        colorbar={"thickness": 10, "outlinewidth": 0, "tickformat": ".1%"},
        hovertemplate="layer %{x}, prompt %{y}: %{z:.2%}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title_text="layer", showgrid=False)
    figure.update_yaxes(title_text="prompt", showgrid=False)
    return figure


def moved_layers(moved: Rows, theme: Theme = "light") -> go.Figure:
    """How far each layer's output is from the base's, mean over held-out tokens."""
    if not moved:
        return silent(theme, "Nothing was measured.", 200)
    figure = blank(theme, "How far each layer's output moved: ‖Δh‖ / ‖h‖", height=300)
    figure.add_bar(
        x=[row["layer"] for row in moved],
        y=[row["relative"] for row in moved],
        marker={"color": QUERY.on(theme)},
        hovertemplate="layer %{x}: %{y:.1%}<extra></extra>",
    )
    figure.update_xaxes(title_text="layer (the last one after the final norm)")
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    return figure


def _place(site: str) -> int:
    return SITES.index(site) if site in SITES else len(SITES)


def _scale(theme: Theme) -> list[list[Any]]:
    return [[0, FACE.on(theme)], [1, TRAINED.on(theme)]]
