"""Benchmark scores against size, date, tokens or compute, and models against benchmarks.

Two figures are joined by a line only where benchmark, part, metric, shots and document are equal.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import plotly.graph_objects as go

from explorer.catalogue.benchmark import Benchmark, Score
from explorer.catalogue.errors import unknown
from explorer.catalogue.model import Model
from explorer.figures.chart import (
    Chart,
    Row,
    active_parameters,
    hover,
    total_parameters,
    training_compute,
    training_tokens,
)
from explorer.figures.theme import GRID, INK, PAGE, QUERY, Theme, blank, generation_mark, silent

Against = Literal["parameters", "active", "released", "tokens", "compute"]

AXES: dict[str, tuple[str, Any]] = {
    "parameters": ("parameters", total_parameters),
    "active": ("active parameters", active_parameters),
    "released": ("released", lambda model: model.release_date.value),
    "tokens": ("tokens of training", training_tokens),
    "compute": ("training compute, about 6 · active parameters · tokens", training_compute),
}


def score_chart(
    scores: Iterable[Score],
    models: Mapping[str, Model],
    benchmark: Benchmark,
    against: Against = "parameters",
    theme: Theme = "light",
    part: str | None = "",
) -> Chart:
    """One benchmark's figures against a property of the models.

    `part` is a part of the benchmark, "" for the whole, None for everything; where no figure has
    it, all are shown. Filled marks are base models, open ones others. Lines run within a
    generation, between figures that are comparable (none against the date, which sizes share); the
    warnings say what keeps the rest apart.
    """
    if against not in AXES:
        raise unknown("axis", against, AXES)
    label, measure = AXES[against]
    mine = [score for score in scores if score.benchmark == benchmark.id]
    if part is not None and any(score.part == part for score in mine):
        mine = [score for score in mine if score.part == part]
    rows, warnings = _rows(mine, models, measure)
    if not rows:
        return Chart(silent(theme, f"Nothing of {benchmark.name} can be shown here."), warnings)
    figure = blank(theme, "", height=480)
    order = {model: place for place, model in enumerate(models)}
    rows.sort(key=lambda row: order[row["model"]])
    for row in rows:
        row["line"] = (row["generation"], row["variant"], *row["comparable"])
    seen: set[str] = set()
    for line in dict.fromkeys(row["line"] for row in rows):
        held = sorted((r for r in rows if r["line"] == line), key=lambda row: row["x"])
        _add_line(figure, held, theme, (held[0]["generation"] not in seen, against != "released"))
        seen.add(held[0]["generation"])
    figure.update_xaxes(title_text=label, type="date" if against == "released" else "log")
    better = "lower is better" if benchmark.better == "lower" else "higher is better"
    figure.update_yaxes(title_text=f"{benchmark.name}, {better}")
    return Chart(
        figure,
        warnings + _apart(rows, against != "released"),
        tuple(_shown(row, against) for row in rows),
    )


def _rows(
    scores: Sequence[Score], models: Mapping[str, Model], measure: Any
) -> tuple[list[Row], tuple[str, ...]]:
    """The figures that can be placed; a warning for each reason that keeps some out."""
    rows: list[Row] = []
    left: Counter[str] = Counter()
    for score in scores:
        model = models.get(score.model)
        place = measure(model) if model else None
        if not score.plot:
            left[score.not_plotted] += 1
        elif place is None:
            left["their model has no published value on this axis"] += 1
        else:
            rows.append({
                "model": score.model, "name": model.name.value or model.id,
                "generation": model.generation, "variant": score.variant, "x": place,
                "value": score.value, "part": score.part, "metric": score.metric,
                "shots": score.shots, "document": score.document,
                "source": "; ".join(score.source), "comparable": score.comparable_with,
                "cited": score.source,
            })  # fmt: skip
    return rows, tuple(
        f"{_figures(number)} left out: {reason}." for reason, number in left.most_common()
    )


def _figures(number: int) -> str:
    return "1 figure is" if number == 1 else f"{number} figures are"


def _add_line(figure: go.Figure, held: list[Row], theme: Theme, flags: tuple[bool, bool]) -> None:
    named, joined = flags
    first = held[0]
    mark = generation_mark(first["generation"])
    colour = mark.colour.on(theme)
    symbol = mark.symbol.removesuffix("-open")
    figure.add_scatter(
        x=[row["x"] for row in held],
        y=[row["value"] for row in held],
        mode="lines+markers" if joined and len(held) > 1 else "markers",
        name=first["generation"],
        legendgroup=first["generation"],
        showlegend=named,
        line={"color": colour, "width": 1.4, "dash": "solid" if _base(first) else "dot"},
        marker={
            "color": colour,
            "symbol": symbol if _base(first) else f"{symbol.removesuffix('-open')}-open",
            "size": 9,
            "line": {"width": 1.5, "color": colour},
        },
        hovertext=[_told(row) for row in held],
        hoverinfo="text",
    )


def _base(row: Row) -> bool:
    return row["variant"] == "base"


def _told(row: Row) -> str:
    title = f"{row['name']} ({row['variant']}): {row['value']:g}"
    facts = {"part": row["part"], "metric": row["metric"], "shots": row["shots"]}
    return hover(title, facts, row["cited"])


def _apart(rows: Sequence[Row], joined: bool) -> tuple[str, ...]:
    """What of these figures is not comparable, in one sentence; nothing where all of it is."""
    differing = []
    for name, plural in (
        ("part", "parts of the benchmark"), ("metric", "metrics"), ("shots", "numbers of shots"),
        ("document", "documents"), ("variant", "kinds of model"),
    ):  # fmt: skip
        values = {str(row[name]).lower() for row in rows}
        if len(values) > 1:
            differing.append(f"{len(values)} {plural}")
    if not differing:
        return ()
    mixed = f"These {len(rows)} figures mix {_listed(differing)}."
    if joined:
        return (
            f"{mixed} Only figures joined by a line were measured alike; a gap between two others "
            "may come from how they were measured.",
        )
    return (f"{mixed} A gap between two of them may come from how they were measured.",)


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _shown(row: Row, against: str) -> Row:
    """The row as it is read and saved: its place on the axis goes by the axis' name."""
    left_out = ("comparable", "line", "cited")
    return {against if k == "x" else k: v for k, v in row.items() if k not in left_out}


def heat_map(
    scores: Iterable[Score],
    models: Mapping[str, Model],
    benchmarks: Mapping[str, Benchmark],
    variant: str = "base",
    theme: Theme = "light",
) -> Chart:
    """Models by benchmarks. A column holds one comparable set: the one with the most models.

    Among sets of as many, the whole of a benchmark goes before an average and that before a part;
    the column's name tells which it is.

    Colour is the place within the column, from worst to best, so that benchmarks of different
    difficulty can be read side by side.
    """
    chosen = [s for s in scores if s.plot and s.variant == variant and s.model in models]
    columns: dict[str, list[Score]] = {}
    for benchmark in benchmarks:
        sets: dict[Any, dict[str, Score]] = {}
        for score in chosen:
            if score.benchmark == benchmark:
                sets.setdefault(score.comparable_with, {}).setdefault(score.model, score)
        if sets:
            best = max(sets.values(), key=_standing)
            if len(best) > 1:
                columns[benchmark] = list(best.values())
    if not columns:
        return Chart(silent(theme, f"No two {variant} models share a figure of these benchmarks."))
    order = list(dict.fromkeys(models))
    rows = [m for m in order if any(s.model == m for held in columns.values() for s in held)]
    longest = max(len(_column(benchmarks[b], held)) for b, held in columns.items())
    figure = blank(theme, "", height=60 + 26 * len(rows) + 5 * longest)  # names stand slanted
    figure.add_heatmap(**_cells(columns, rows, models, benchmarks), **_scale(theme))
    figure.update_xaxes(side="top", tickangle=-40, showgrid=False, ticks="")
    figure.update_layout(margin={"r": 56})
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="")
    documents = {score.document for held in columns.values() for score in held}
    warning = (
        f"Each column is one document's figures with the same metric and shots; across the "
        f"{len(documents)} documents here, compare within a column, not along a row."
    )
    shown = tuple(
        {"model": s.model, "benchmark": b, "part": s.part, "value": s.value, "metric": s.metric,
         "shots": s.shots, "source": "; ".join(s.source)}
        for b, held in columns.items() for s in held
    )  # fmt: skip
    return Chart(figure, (warning,) if len(columns) > 1 else (), shown)


def _standing(held: Mapping[str, Score]) -> tuple[int, bool, bool]:
    part = next(iter(held.values())).part
    return (len(held), not part, part.startswith("average"))


def _column(benchmark: Benchmark, held: Sequence[Score]) -> str:
    return f"{benchmark.name}: {held[0].part}" if held[0].part else benchmark.name


def _cells(
    columns: Mapping[str, list[Score]],
    rows: Sequence[str],
    models: Mapping[str, Model],
    benchmarks: Mapping[str, Benchmark],
) -> dict[str, Any]:
    z: list[list[float | None]] = []
    text: list[list[str]] = []
    told: list[list[str]] = []
    for model in rows:
        line: list[tuple[float | None, str, str]] = []
        for benchmark, held in columns.items():
            mine = next((s for s in held if s.model == model), None)
            if mine is None:
                line.append((None, "", ""))
                continue
            values = [s.value for s in held]
            span = max(values) - min(values)
            rank = (mine.value - min(values)) / span if span else 0.5
            rank = 1 - rank if mine.better == "lower" else rank
            facts = {"part": mine.part, "metric": mine.metric, "shots": mine.shots}
            name = f"{models[model].name.value}, {benchmarks[benchmark].name}: {mine.value:g}"
            line.append((rank, f"{mine.value:g}", hover(name, facts, mine.source)))
        z.append([cell[0] for cell in line])
        text.append([cell[1] for cell in line])
        told.append([cell[2] for cell in line])
    return {
        "x": [_column(benchmarks[b], held) for b, held in columns.items()],
        "y": [models[m].name.value or m for m in rows],
        "z": z, "text": text, "hovertext": told,
    }  # fmt: skip


def _scale(theme: Theme) -> dict[str, Any]:
    return {
        "texttemplate": "%{text}",
        "hoverinfo": "text",
        "hoverongaps": False,
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
        "colorscale": [[0, GRID.on(theme)], [1, QUERY.on(theme)]],
        "zmin": 0,
        "zmax": 1.35,  # the darkest cell stays light enough for its number
        "textfont": {"size": 11, "color": INK.on(theme) if theme == "light" else PAGE.light},
    }
