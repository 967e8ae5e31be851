"""How long the rows of a data set are, with the limit beyond which they are left out."""

from collections.abc import Sequence

import plotly.graph_objects as go

from explorer.figures.theme import MUTED, QUERY, TRAINED, Theme, blank, silent

MOST_BARS = 40
STEPS = (1, 2, 5)  # widths of a bar are these times a power of ten


def length_histogram(
    lengths: Sequence[int], limit: int | None = None, theme: Theme = "light"
) -> go.Figure:
    """Rows by their number of tokens; `limit` is drawn where rows reach beyond it."""
    if not lengths:
        return silent(theme, "No rows have been read yet.")
    width = bar_width(max(lengths))
    counts: dict[int, int] = {}
    for length in lengths:
        counts[length // width] = counts.get(length // width, 0) + 1
    numbers = range(max(counts) + 1)
    long = [limit is not None and number * width > limit for number in numbers]
    figure = blank(theme, "Tokens of each row", height=300)
    figure.add_bar(
        x=[(number + 0.5) * width for number in numbers],
        y=[counts.get(number, 0) for number in numbers],
        width=width,
        marker={"color": [(TRAINED if cut else QUERY).on(theme) for cut in long]},
        customdata=[(number * width, (number + 1) * width - 1) for number in numbers],
        hovertemplate="%{customdata[0]} to %{customdata[1]} tokens: %{y} rows<extra></extra>",
    )
    if limit is not None and max(lengths) > limit:
        figure.add_vline(
            x=limit, line={"color": MUTED.on(theme), "dash": "dash"},
            annotation={"text": f"limit {limit:,}", "font": {"color": MUTED.on(theme)}},
        )  # fmt: skip
    figure.update_xaxes(title_text="tokens, template included", rangemode="tozero")
    figure.update_yaxes(title_text="rows")
    figure.update_layout(bargap=0.05, showlegend=False)
    return figure


def bar_width(longest: int) -> int:
    """The smallest round width with which no more than MOST_BARS bars are needed."""
    power = 1
    while True:
        for step in STEPS:
            if longest // (step * power) < MOST_BARS:
                return step * power
        power *= 10
