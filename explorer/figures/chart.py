"""What a chart hands over: the figure, what must be said beside it, and the rows it shows."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import plotly.graph_objects as go

from explorer.catalogue.model import Model
from explorer.catalogue.record import Source
from explorer.catalogue.scores import load_sources
from explorer.figures.diagram.text import plain
from explorer.figures.theme import INK, Theme

Row = dict[str, Any]
Sources = Mapping[str, Source]

# "15T+", "~22T", "up to 9T", "15.6T", "9T (bf16 parent)"; not "6B (image, text) pairs".
_TOKENS = re.compile(
    r"(?:~|up to |more than |about )?(\d+(?:\.\d+)?)\s*([TB])\+?(?: tokens)?(?: \(bf16 parent\))?"
)
_UNIT = {"T": 10**12, "B": 10**9}
_SIZE = re.compile(r"(?:nearly |about |~)?(\d+(?:\.\d+)?)\s*([TBM])\b.*")


@dataclass(frozen=True)
class Chart:
    """A figure with its warnings (sentences that must be seen with it) and exactly its rows."""

    figure: go.Figure
    warnings: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()


def label_rows(figure: go.Figure, labels: Sequence[str], theme: Theme) -> None:
    """Name rows 0, 1, … of a figure above each row: a narrow screen has no room beside them."""
    figure.update_yaxes(
        range=[len(labels) - 0.4, -0.75], showgrid=False, ticks="", showticklabels=False,
        zeroline=False,
    )  # fmt: skip
    for row, label in enumerate(labels):
        figure.add_annotation(
            text=label, x=0, xref="paper", xanchor="left", y=row, yshift=10, yanchor="bottom",
            showarrow=False, align="left", font={"size": 11.5, "color": INK.on(theme)},
        )  # fmt: skip


def cited(entries: Sequence[str], sources: Sources | None = None) -> str:
    """Source entries with the titles of their documents, for a hover box."""
    titles = load_sources() if sources is None else sources
    said = []
    for entry in entries:
        key, _, place = entry.partition(":")
        title = titles[key.strip()].title if key.strip() in titles else key.strip()
        said.append(f"{title}: {place.strip()}" if place.strip() else title)
    return "<br>".join(escape(_shortened(line)) for line in said)


def _shortened(line: str, limit: int = 110) -> str:
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def hover(title: str, facts: Mapping[str, Any], source: Sequence[str] = ()) -> str:
    """The text of a hover box: a bold title, facts, and where they were read."""
    lines = [f"<b>{escape(title)}</b>"]
    lines += [
        f"{escape(name)}: {escape(plain(value))}"
        for name, value in facts.items()
        if value not in (None, "")
    ]
    if source:
        lines.append(f"<i>{cited(source)}</i>")
    return "<br>".join(lines)


def total_parameters(model: Model) -> float | None:
    """The exact count, or the official one where there is no exact one."""
    if model.exact_total_params.value is not None:
        return float(model.exact_total_params.value)
    return _amount(_SIZE, model.official_total_params.value)


def active_parameters(model: Model) -> float | None:
    """What a token goes through: as published for a mixture of experts, else everything."""
    published = _amount(_SIZE, model.official_active_params.value)
    return published if published is not None else total_parameters(model)


def training_tokens(model: Model) -> float | None:
    """Tokens of training as a number, None where the source gives none (or counts pairs)."""
    value = model.training_tokens.value
    if isinstance(value, int | float):
        return float(value)
    return _amount(_TOKENS, value)


def training_compute(model: Model) -> float | None:
    """About 6 · active parameters · tokens floating-point operations."""
    parameters, tokens = active_parameters(model), training_tokens(model)
    return 6.0 * parameters * tokens if parameters and tokens else None


def _amount(pattern: re.Pattern[str], text: Any) -> float | None:
    found = pattern.fullmatch(text) if isinstance(text, str) else None
    if not found:
        return None
    units = {**_UNIT, "M": 10**6}
    return float(found.group(1)) * units[found.group(2)]
