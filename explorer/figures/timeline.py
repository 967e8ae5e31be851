"""When each model came and how large it is: the family on a time axis."""

from collections.abc import Iterable

from explorer.catalogue.model import Model
from explorer.figures.chart import Chart, Row, active_parameters, hover, total_parameters
from explorer.figures.theme import Theme, blank, generation_mark, silent


def timeline(
    models: Iterable[Model], theme: Theme = "light", names: dict[str, str] | None = None
) -> Chart:
    """Generations as lanes, models as marks at their release; `names` are the lanes' labels.

    Models without a date (never released) stand in the warnings, not in the picture.
    """
    rows, missing = _rows(models)
    if not rows:
        return Chart(silent(theme, "No model here has a release date."), missing)
    lanes = list(dict.fromkeys(row["generation"] for row in rows))
    figure = blank(theme, "", height=90 + 44 * len(lanes))
    for lane in lanes:
        held = [row for row in rows if row["generation"] == lane]
        mark = generation_mark(lane)
        label = (names or {}).get(lane, lane)
        figure.add_scatter(
            x=[row["released"] for row in held],
            y=[label] * len(held),
            mode="markers+lines",
            name=label,
            showlegend=False,
            line={"color": mark.colour.on(theme), "width": 1.5, "dash": "dot"},
            marker={
                "color": mark.colour.on(theme),
                "symbol": mark.symbol,
                "size": [_size(row["parameters"]) for row in held],
                "opacity": 0.85,
                "line": {"width": 1.5, "color": mark.colour.on(theme)},
            },
            hovertext=[row["hover"] for row in held],
            hoverinfo="text",
        )
    labels = [(names or {}).get(lane, lane) for lane in lanes]
    figure.update_yaxes(categoryorder="array", categoryarray=labels[::-1], showgrid=False)
    figure.update_xaxes(title_text="released (size: parameters)")
    return Chart(figure, missing, tuple(_shown(row) for row in rows))


def parameter_counts(
    models: Iterable[Model], theme: Theme = "light", names: dict[str, str] | None = None
) -> Chart:
    """Total parameters by release date on a log axis; of a mixture of experts the active, too."""
    rows, missing = _rows(models)
    rows = [row for row in rows if row["parameters"]]
    if not rows:
        return Chart(silent(theme, "No model here has a date and a size."), missing)
    figure = blank(theme, "", height=460)
    for lane in dict.fromkeys(row["generation"] for row in rows):
        held = [row for row in rows if row["generation"] == lane]
        mark, colour = generation_mark(lane), generation_mark(lane).colour.on(theme)
        figure.add_scatter(
            x=[row["released"] for row in held],
            y=[row["parameters"] for row in held],
            mode="markers",
            name=(names or {}).get(lane, lane),
            legendgroup=lane,
            marker={
                "color": colour,
                "symbol": mark.symbol,
                "size": 11,
                "line": {"width": 1.5, "color": colour},
            },
            hovertext=[row["hover"] for row in held],
            hoverinfo="text",
        )
        for row in held:
            if row["active"] and row["active"] < row["parameters"]:
                figure.add_scatter(
                    x=[row["released"]] * 2,
                    y=[row["active"], row["parameters"]],
                    mode="lines+markers",
                    line={"color": colour, "width": 2},
                    marker={"symbol": ["line-ew-open", mark.symbol], "size": [16, 1],
                            "color": colour, "line": {"width": 2}},
                    name=f"{row['name']}: active to total",
                    legendgroup=lane,
                    showlegend=False,
                    hovertext=row["hover"],
                    hoverinfo="text",
                )  # fmt: skip
    figure.update_yaxes(type="log", title_text="parameters (bar: down to active)")
    figure.update_xaxes(title_text="released")
    return Chart(figure, missing, tuple(_shown(row) for row in rows))


def _rows(models: Iterable[Model]) -> tuple[list[Row], tuple[str, ...]]:
    rows, missing = [], []
    for model in models:
        name = model.name.value or model.id
        released = model.release_date.value
        if released is None:
            missing.append(f"{name} is not shown: {model.release_date.note or 'it has no date'}.")
            continue
        total, active = total_parameters(model), active_parameters(model)
        facts = {
            "released": released.isoformat(),
            "parameters": total,
            "active": active if active != total else None,
            "context": model.max_context.value,
        }
        source = [*model.release_date.source, *model.exact_total_params.source]
        titles = {key: source.title for key, source in model.sources.items()}
        rows.append({
            "model": model.id, "name": name, "generation": model.generation,
            "released": released, "parameters": total, "active": active,
            "context": model.max_context.value, "source": "; ".join(source),
            "hover": hover(name, facts) + _cited(source, titles),
        })  # fmt: skip
    rows.sort(key=lambda row: (row["released"], row["parameters"] or 0))
    return rows, tuple(missing)


def _cited(source: list[str], titles: dict[str, str]) -> str:
    said = [f"{titles.get(e.partition(':')[0].strip(), '')}: {e.partition(':')[2]}" for e in source]
    return "".join(f"<br><i>{line.strip(' :')[:110]}</i>" for line in dict.fromkeys(said))


def _shown(row: Row) -> Row:
    return {key: value for key, value in row.items() if key != "hover"}


def _size(parameters: float | None) -> float:
    """A mark's diameter: its area grows with the fourth root, so that 1B and 405B both show."""
    return 9 + 2.2 * ((parameters or 10**9) / 10**9) ** 0.38
