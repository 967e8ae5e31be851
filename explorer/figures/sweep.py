"""A sweep as a heat map: what every combination of settings reached."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from explorer.figures.theme import FACE, TRAINED, Theme, blank, silent

Record = Mapping[str, Any]  # a run, with `settings` by name beside explorer.lab.race's keys

ALONE = "runs"  # the one row of a sweep of one setting; plotly draws none without a name
TITLES = {
    "metric": ("Held-out metric", True),
    "heldout_loss_after": ("Held-out loss, nats an answer token", False),
}


def heat_map(
    records: Sequence[Record], axes: Sequence[str], key: str = "metric", theme: Theme = "light"
) -> go.Figure:
    """Runs by one or two settings; a run that was given up or is not done is an empty cell.

    `key` is `metric` or `heldout_loss_after`; the better, the darker. Of several runs with the same
    settings the last one counts.
    """
    if not axes:
        return silent(theme, "The runs that are shown do not differ in a setting of one method.")
    across, down = axes[0], axes[1] if len(axes) > 1 else None
    columns = _values(records, across)
    rows = _values(records, down) if down else [ALONE]
    cells: dict[tuple[str, str], Record] = {}
    for record in records:
        place = str(record["settings"][across]), str(record["settings"][down]) if down else ALONE
        cells[place] = record
    found = [[cells.get((x, y)) for x in columns] for y in rows]
    title, upwards = TITLES[key]
    scale = [FACE.on(theme), TRAINED.on(theme)][:: 1 if upwards else -1]
    figure = blank(theme, title, height=180 + 56 * len(rows))
    figure.add_heatmap(
        x=columns,
        y=rows,
        z=[[cell[key] if cell else None for cell in row] for row in found],
        text=[[_words(cell, key) for cell in row] for row in found],
        texttemplate="%{text}",
        textfont={"size": 12},  # its colour goes by the cell
        colorscale=[[0, scale[0]], [1, scale[1]]],
        showscale=False,
        xgap=3,
        ygap=3,
        hovertemplate=f"{across} %{{x}}" + (f", {down} %{{y}}" if down else "")
        + ": %{text}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title_text=across, type="category", showgrid=False)
    figure.update_yaxes(
        title_text=down or "", type="category", showgrid=False, showticklabels=bool(down)
    )
    return figure


def _values(records: Sequence[Record], name: str) -> list[str]:
    values = {record["settings"][name] for record in records}
    numbers = all(isinstance(value, int | float) for value in values)
    return [str(value) for value in sorted(values, key=None if numbers else str)]


def _words(cell: Record | None, key: str) -> str:
    if cell is None:
        return ""
    return cell["state"] if cell[key] is None else f"{cell[key]:.3g}"
