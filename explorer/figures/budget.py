"""What the calculator shows: the terms of memory in their colours, areas of a treemap, curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from explorer.figures.chart import Chart
from explorer.figures.theme import INK, MUTED, TRAINED, Colour, Theme, blank, silent

GIB = 2**30


@dataclass(frozen=True)
class Term:
    """One term of a plan's memory: its title and its colour."""

    title: str
    colour: Colour


TERMS: dict[str, Term] = {
    "weights": Term("Weights", Colour("#2f6db3", "#7db2f2")),
    "adapter": Term("Adapter", TRAINED),
    "adapter_frozen": Term("Adapter, frozen", Colour("#8a6d5a", "#c9ad99")),
    "optimizer": Term("Optimizer", Colour("#7446b5", "#b99bf2")),
    "master_copies": Term("Master copies", Colour("#5d4a8f", "#9d8cd0")),
    "communication": Term("Communication", Colour("#4a6670", "#8fb0ba")),
    "kv_cache": Term("KV cache", Colour("#0d7f6f", "#4fd0bd")),
    "gradients": Term("Gradients", Colour("#0d7f6f", "#4fd0bd")),
    "whole_gradients": Term("Gradients to scatter", Colour("#3d7d73", "#86c7bc")),
    "activations": Term("Activations", Colour("#94690b", "#e0b45c")),
    "recomputation": Term("Recomputation", Colour("#8c6d1f", "#c9a24e")),
    "dequantization": Term("Dequantization", Colour("#46708f", "#93bcd6")),
    "logits": Term("Logits and loss", Colour("#a8327a", "#f08ac4")),
    "temporary": Term("Temporary", Colour("#5d6776", "#a3adba")),
    "framework": Term("Framework (allowance)", Colour("#756f69", "#77828f")),
    "not_at_once": Term("Never alive together", MUTED),
    "moving": Term("Alive at the peak", Colour("#94690b", "#e0b45c")),
}


def term(name: str) -> Term:
    """How a term is shown; one that is new is at least shown."""
    return TERMS.get(name, Term(name.replace("_", " ").capitalize(), MUTED))


@dataclass(frozen=True)
class Area:
    """A rectangle of a treemap, in shares of the whole from the upper left corner."""

    name: str
    left: float
    top: float
    width: float
    height: float


def areas(sizes: Mapping[str, float], aspect: float = 2.6) -> list[Area]:
    """Rectangles as near to squares as they come (squarified treemap, Bruls et al. 2000).

    `aspect` is width by height of the box that they fill. Sizes of zero get none.
    """
    left = [(name, size) for name, size in sizes.items() if size > 0]
    left.sort(key=lambda pair: -pair[1])
    total = sum(size for _, size in left)
    if not total:
        return []
    scale = aspect / total
    found: list[Area] = []
    x, y, width, height = 0.0, 0.0, aspect, 1.0
    while left:
        side = min(width, height)
        row = _row([(name, size * scale) for name, size in left], side)
        thickness = sum(size for _, size in row) / side
        along = 0.0
        for name, size in row:
            extent = size / thickness
            box = (x, y + along, thickness, extent) if width >= height else (
                x + along, y, extent, thickness
            )  # fmt: skip
            found.append(Area(name, box[0] / aspect, box[1], box[2] / aspect, box[3]))
            along += extent
        if width >= height:
            x, width = x + thickness, width - thickness
        else:
            y, height = y + thickness, height - thickness
        left = left[len(row) :]
    return found


def _row(sizes: Sequence[tuple[str, float]], side: float) -> list[tuple[str, float]]:
    """As many of the sizes as make the worst rectangle of a row no worse."""
    row: list[tuple[str, float]] = []
    for pair in sizes:
        if row and _worst([*row, pair], side) > _worst(row, side):
            break
        row.append(pair)
    return row


def _worst(row: Sequence[tuple[str, float]], side: float) -> float:
    total = sum(size for _, size in row)
    thickness = total / side
    return max(
        max(size / thickness / thickness, thickness * thickness / size) for _, size in row
    )  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One plan of a sweep: where it stands, its memory and its trained numbers."""

    x: float
    memory: Mapping[str, float]  # bytes by part, which add up to the peak
    trainable: int


@dataclass(frozen=True)
class Sweep:
    """Plans that differ in one number, and the device that they are held against."""

    label: str
    here: float
    points: tuple[Point, ...]
    device: str
    usable: float


def sensitivity(sweep: Sweep, measure: str = "memory", theme: Theme = "light") -> Chart:
    """Peak memory by part, or trained parameters, against one number of the plan."""
    if not sweep.points:
        return Chart(silent(theme, "Nothing to vary here."))
    figure = blank(theme, "", height=420)
    xs = [point.x for point in sweep.points]
    if measure == "trainable":
        figure.add_scatter(
            x=xs, y=[point.trainable for point in sweep.points], mode="lines+markers",
            name="trained parameters", line={"color": TRAINED.on(theme), "width": 2},
            hovertemplate="%{x:,}: %{y:,} trained<extra></extra>",
        )  # fmt: skip
        figure.update_yaxes(title_text="trained parameters", rangemode="tozero")
    else:
        _stack(figure, sweep, xs, theme)
    figure.add_vline(x=sweep.here, line={"color": MUTED.on(theme), "width": 1, "dash": "dot"})
    figure.update_xaxes(title_text=sweep.label, type="log", tickvals=xs, tickformat=",")
    figure.update_layout(
        hovermode="x unified", margin={"t": 16},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
    )  # fmt: skip
    return Chart(figure, rows=tuple(_rows(sweep)))


def _stack(figure: go.Figure, sweep: Sweep, xs: list[float], theme: Theme) -> None:
    for name in sweep.points[0].memory:
        values = [point.memory[name] / GIB for point in sweep.points]
        if not any(values):
            continue
        colour = term(name).colour.on(theme)
        figure.add_scatter(
            x=xs, y=values, mode="lines", stackgroup="memory", name=term(name).title,
            line={"color": colour, "width": 1}, fillcolor=colour, opacity=0.9,
            hovertemplate="%{y:,.2f} GiB",
        )  # fmt: skip
    figure.add_hline(
        y=sweep.usable / GIB, line={"color": INK.on(theme), "width": 1.5, "dash": "dash"},
        annotation_text=f"usable on {sweep.device}", annotation_position="top left",
    )  # fmt: skip
    top = max(sum(point.memory.values()) for point in sweep.points)
    figure.update_yaxes(
        title_text="peak memory, GiB", range=[0, 1.08 * max(top, min(sweep.usable, 3 * top)) / GIB]
    )


def _rows(sweep: Sweep) -> list[dict[str, float | int | str]]:
    return [
        {
            sweep.label: point.x,
            "peak_bytes": int(sum(point.memory.values())),
            "trained_parameters": point.trainable,
            **{f"{name}_bytes": int(size) for name, size in point.memory.items()},
        }
        for point in sweep.points
    ]
