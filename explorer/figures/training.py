"""Training curves: runs laid over each other, from the events that they left."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import plotly.graph_objects as go

from explorer.figures.theme import Mark, Theme, blank, method_mark, series_marks, silent

Quantity = Literal[
    "loss", "heldout", "metric", "learning_rate", "gradient_norm", "tokens_per_second",
    "memory_bytes", "gates",
]  # fmt: skip

LABELS: dict[str, tuple[str, str]] = {
    "loss": ("Training loss", "nats per answer token"),
    "heldout": ("Held-out loss", "nats per answer token"),
    "metric": ("Held-out metric", "score"),
    "learning_rate": ("Learning rate", "rate"),
    "gradient_norm": ("Gradient norm before clipping", "norm"),
    "tokens_per_second": ("Speed", "tokens per second"),
    "memory_bytes": ("Memory", "MiB"),
    "gates": ("Mean |gate| over the layers", "|gate|"),
}
SCALE = {"memory_bytes": 1 / 2**20}


@dataclass(frozen=True)
class Curve:
    """One run to draw: its name, its method (for its mark) and its events, oldest first."""

    name: str
    method: str
    events: Sequence[dict[str, Any]]


def training_curves(
    curves: Sequence[Curve], quantity: Quantity = "loss", theme: Theme = "light"
) -> go.Figure:
    """One quantity against the optimizer step, a line a run.

    With the loss, held-out losses stand as open marks on a line of their own kind.
    """
    title, unit = LABELS[quantity]
    drawn = [(curve, _points(curve, quantity)) for curve in curves]
    if not any(steps for _, (steps, _) in drawn):
        return silent(theme, "No step has been taken yet.")
    if quantity == "loss":
        title += " (open marks: held out)"
    figure = blank(theme, title, height=360)
    for (curve, (steps, values)), mark in zip(drawn, _marks(curves), strict=True):
        colour = mark.colour.on(theme)
        figure.add_scatter(
            x=steps,
            y=values,
            name=curve.name,
            legendgroup=curve.name,
            mode=_mode(quantity, len(steps)),
            marker={"symbol": mark.symbol, "size": 8},
            line={"color": colour, "dash": mark.dash, "width": 2},
            hovertemplate=f"{curve.name}<br>step %{{x}}: %{{y:.4g}}<extra></extra>",
        )
        if quantity == "loss":
            _add_heldout(figure, curve, mark, colour)
    figure.update_xaxes(title_text="step", rangemode="tozero")
    figure.update_yaxes(title_text=unit, rangemode="tozero")
    figure.update_layout(showlegend=True, hovermode="closest")
    return figure


def _mode(quantity: Quantity, points: int) -> str:
    if points < 2:
        return "markers"
    return "lines+markers" if quantity in ("heldout", "metric") else "lines"


def _add_heldout(figure: go.Figure, curve: Curve, mark: Mark, colour: str) -> None:
    steps, losses = heldout_losses(curve.events)
    figure.add_scatter(
        x=steps,
        y=losses,
        name=f"{curve.name}, held out",
        legendgroup=curve.name,
        showlegend=False,
        mode="markers",
        marker={
            "color": colour,
            "symbol": f"{mark.symbol.removesuffix('-open')}-open",
            "size": 10,
            "line": {"width": 2},
        },
        hovertemplate=f"{curve.name}, held out<br>step %{{x}}: %{{y:.4g}}<extra></extra>",
    )


def heldout_losses(events: Sequence[dict[str, Any]]) -> tuple[list[int], list[float]]:
    """Steps and losses: of all held-out rows before and after, of some of them between."""
    found = {e["step"]: e["loss"] for e in events if e["kind"] == "watch"}
    found |= {e["step"]: e["heldout_loss"] for e in events if e["kind"] == "eval"}
    return sorted(found), [found[step] for step in sorted(found)]


def _points(curve: Curve, quantity: Quantity) -> tuple[list[int], list[float]]:
    if quantity == "heldout":
        return heldout_losses(curve.events)
    if quantity == "metric":
        asked = [event for event in curve.events if event["kind"] == "eval"]
        return [event["step"] for event in asked], [event["value"] for event in asked]
    taken = [event for event in curve.events if event["kind"] == "step"]
    if quantity == "gates":
        taken = [event for event in taken if event["gates"]]
        means = [sum(event["gates"].values()) / len(event["gates"]) for event in taken]
        return [event["step"] for event in taken], means
    factor = SCALE.get(quantity, 1)
    return [event["step"] for event in taken], [event[quantity] * factor for event in taken]


def _marks(curves: Sequence[Curve]) -> list[Mark]:
    """The methods' own marks while each method is drawn once, else marks that all differ."""
    methods = [curve.method for curve in curves]
    own = [method_mark(method) for method in methods]
    if len(set(methods)) == len(methods) and len(set(own)) == len(own):
        return own
    return series_marks(len(curves))
