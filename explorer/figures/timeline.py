"""When each model came and how large it is: the family on a time axis."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import takewhile

import plotly.graph_objects as go

from explorer.catalogue.generation import Generation
from explorer.catalogue.model import Model
from explorer.figures.chart import Chart, Row, active_parameters, hover, total_parameters
from explorer.figures.theme import INK, Theme, blank, generation_mark, silent

NEVER = "circle-cross-open"  # the mark of what was never released
HEAD, ROW, AXIS = 22, 17, 64  # pixels: a lane's name, a model, the axis below


def timeline(
    models: Iterable[Model],
    theme: Theme = "light",
    generations: Mapping[str, Generation] | None = None,
) -> Chart:
    """Generations as lanes, each model as a mark of its own at its release; its size is told, too.

    A model that was never released stands, marked as such, where its generation came out. One
    whose generation is not among `generations` either stands in the warnings alone.
    """
    known = generations or {}
    rows, missing = _rows(models, known)
    if not rows:
        return Chart(silent(theme, "No model here has a release date."), missing)
    lanes = {lane: [r for r in rows if r["generation"] == lane] for lane in _lanes(rows, known)}
    height = sum(HEAD + ROW * len(held) for held in lanes.values())
    figure = blank(theme, "", height=AXIS + height)
    middle = _middle(rows)
    top = 0.0
    for lane, held in lanes.items():
        _add_lane(figure, held, top + HEAD, theme, middle)
        name = known[lane].name if lane in known else lane
        figure.add_annotation(
            text=f"<b>{escape(name)}</b>", x=0, xref="paper", xanchor="left", y=top + HEAD / 2 + 2,
            yanchor="middle", showarrow=False, font={"size": 11.5, "color": INK.on(theme)},
        )  # fmt: skip
        top += HEAD + ROW * len(held)
    figure.update_yaxes(range=[height, -4], visible=False)
    figure.update_xaxes(title_text="released; larger marks have more parameters", type="date")
    figure.update_layout(margin={"l": 16, "r": 16, "t": 12, "b": 48})
    return Chart(figure, missing, tuple(_shown(row) for row in rows))


def _lanes(rows: Iterable[Row], known: Mapping[str, Generation]) -> list[str]:
    """The generations of the rows in the order of the timeline."""
    found = dict.fromkeys(row["generation"] for row in rows)
    return sorted(found, key=lambda lane: known[lane].order if lane in known else len(known))


def _middle(rows: Iterable[Row]) -> dt.date:
    dates = [row["released"] for row in rows]
    return min(dates) + (max(dates) - min(dates)) / 2


def _add_lane(
    figure: go.Figure, held: Sequence[Row], top: float, theme: Theme, middle: dt.date
) -> None:
    """A row of the lane for each model; the names stand on the side that has room for them."""
    mark = generation_mark(held[0]["generation"])
    colour = mark.colour.on(theme)
    figure.add_scatter(
        x=[row["released"] for row in held],
        y=[top + ROW * (place + 0.5) for place in range(len(held))],
        mode="markers+text",
        text=[row["label"] for row in held],
        textposition=[
            "middle right" if row["released"] <= middle else "middle left" for row in held
        ],
        textfont={"size": 10.5, "color": INK.on(theme)},
        cliponaxis=False,
        name=held[0]["generation"],
        showlegend=False,
        marker={
            "color": colour,
            "symbol": [mark.symbol if row["public"] else NEVER for row in held],
            "size": [_size(row["parameters"]) for row in held],
            "opacity": 0.85,
            "line": {"width": 1.5, "color": colour},
        },
        hovertext=[row["hover"] for row in held],
        hoverinfo="text",
    )


def _rows(
    models: Iterable[Model], known: Mapping[str, Generation]
) -> tuple[list[Row], tuple[str, ...]]:
    rows, missing = [], []
    for model in models:
        name, generation = model.name.value or model.id, known.get(model.generation)
        released, source = model.release_date.value, [*model.release_date.source]
        titles = {key: document.title for key, document in model.sources.items()}
        if released is None:
            why = model.release_date.note or "it has no date"
            missing.append(f"{name} has no date of its own: {why}.")
            if generation is None:
                continue
            released = generation.released
            source += [*model.name.source, *generation.released_source]
            titles |= {key: document.title for key, document in generation.sources.items()}
        total, active = total_parameters(model), active_parameters(model)
        facts = {
            "released": released.isoformat() if model.released else "never",
            f"{generation.name} came out" if generation and not model.released else "":
                released.isoformat() if not model.released else None,
            "parameters": total,
            "active": active if active != total else None,
            "context": model.max_context.value,
        }  # fmt: skip
        source += model.exact_total_params.source
        rows.append({
            "model": model.id, "name": name, "generation": model.generation,
            "released": released, "public": model.released,
            "parameters": total, "active": active,
            "context": model.max_context.value, "source": "; ".join(source),
            "label": _label(model, generation),
            "hover": hover(name, facts) + _cited(source, titles),
        })  # fmt: skip
    rows.sort(key=lambda row: (row["released"], row["parameters"] or 0))
    return rows, tuple(missing)


def _label(model: Model, generation: Generation | None) -> str:
    """The model's name without the words that its lane has already, and whether it came out."""
    words = (model.name.value or model.id).split()
    lane = generation.name.split() if generation else []
    same = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(words, lane, strict=False))
    )
    label = escape(" ".join(words[same:] or words))
    return label if model.released else f"{label}, <b>never released</b>"


def _cited(source: list[str], titles: dict[str, str]) -> str:
    said = [f"{titles.get(e.partition(':')[0].strip(), '')}: {e.partition(':')[2]}" for e in source]
    return "".join(f"<br><i>{line.strip(' :')[:110]}</i>" for line in dict.fromkeys(said))


def _shown(row: Row) -> Row:
    return {key: value for key, value in row.items() if key not in ("hover", "label")}


def _size(parameters: float | None) -> float:
    """A mark's diameter: it grows slowly, so that 1B and 405B both show."""
    return 5 + 1.5 * ((parameters or 10**9) / 10**9) ** 0.28
