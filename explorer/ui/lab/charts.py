"""Which chart of the chosen runs is drawn: their training, the race, a sweep, or one run inside."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.figures import inside as figures
from explorer.figures.race import COSTS, race_pareto, seeds_chart
from explorer.figures.sweep import heat_map
from explorer.figures.theme import Theme, silent
from explorer.figures.training import LABELS, training_curves
from explorer.lab.inside import read_inside
from explorer.lab.race import over_seeds, race_record
from explorer.lab.sweep import setting, varying
from explorer.ui import race

RACE = {
    "pareto": "What was reached, for what",
    "seeds": "Over the seeds",
    "heat": "Heat map of a sweep",
}
INSIDE = {
    "changes": "Inside: how far each weight moved",
    "singular": "Inside: singular values of B A",
    "gate-paths": "Inside: gates, layer by layer",
    "prompts": "Inside: attention on the prompts",
    "moved": "Inside: how far each layer's output moved",
}
CHARTS = [
    *((title, quantity) for quantity, (title, _) in LABELS.items()),
    *((title, name) for name, title in (RACE | INSIDE).items()),
]


def draw(
    catalogue: Catalogue,
    entries: Sequence[race.Entry],
    chart: str,
    cost: str,
    looked_into: str | None,
    theme: Theme,
) -> go.Figure:
    """The chart of this name; raises UnknownNameError for none such."""
    if chart in LABELS:
        return training_curves(race.curves(catalogue, entries), chart, theme)
    if chart in INSIDE:
        return _inside(entries, chart, looked_into, theme)
    records = named_records(catalogue, entries)
    if chart == "pareto":
        return race_pareto(records, cost or next(iter(COSTS)), theme=theme)
    if chart == "seeds":
        return seeds_chart(records, _means(catalogue, records), theme)
    if chart == "heat":
        axes = varying([entry.run.job for entry in entries])[:2] if entries else []
        for record, entry in zip(records, entries, strict=True):
            record["settings"] = {name: setting(entry.run.job, name) for name in axes}
        scores = {record["metric"] for record in records} - {None}
        # Where the metric does not tell the runs apart, their losses may.
        key = "metric" if len(scores) > 1 else "heldout_loss_after"
        return heat_map(records, axes, key, theme)
    raise unknown("chart", chart, [name for _, name in CHARTS])


def named_records(catalogue: Catalogue, entries: Sequence[race.Entry]) -> list[dict[str, Any]]:
    """The runs' lines of the race's table, with the name that each is drawn under."""
    curves = race.curves(catalogue, entries)
    return [
        race_record(entry.run) | {"name": curve.name}
        for entry, curve in zip(entries, curves, strict=True)
    ]


def _means(catalogue: Catalogue, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    methods = catalogue.methods
    return [
        line | {"name": methods[line["method"]].name if line["method"] in methods else "?"}
        for line in over_seeds(records)
    ]


def _inside(
    entries: Sequence[race.Entry], chart: str, looked_into: str | None, theme: Theme
) -> go.Figure:
    found = [e for e in entries if e.run.id == looked_into] or list(entries[:1])
    if not found:
        return silent(theme, "Choose a run to look into.")
    entry = found[0]
    if chart == "gate-paths":
        return figures.gate_paths([e for e in entry.events if e["kind"] == "step"], theme)
    try:
        inside = read_inside(entry.run).model_dump()
    except ExplorerError as error:
        return silent(theme, str(error))
    if chart == "changes":
        return figures.change_map(inside["changes"], theme)
    if chart == "singular":
        return figures.singular_values(inside["changes"], theme)
    if chart == "prompts":
        return figures.prompt_map(inside["prompted"], theme)
    return figures.moved_layers(inside["moved"], theme)
