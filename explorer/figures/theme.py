"""One look for every figure: colours that hold for colour-blind readers, in light and in dark."""

from dataclasses import dataclass
from itertools import cycle
from typing import Literal

import plotly.graph_objects as go

Theme = Literal["light", "dark"]

SANS = (
    'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, '
    '"Noto Sans", sans-serif'
)
MONO = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Noto Sans Mono", monospace'


@dataclass(frozen=True)
class Colour:
    """One meaning, a colour for each theme."""

    light: str
    dark: str

    def on(self, theme: Theme) -> str:
        """The colour for this theme."""
        return self.dark if theme == "dark" else self.light


@dataclass(frozen=True)
class Mark:
    """How one series is told from another: by colour, symbol and dash, never by colour alone."""

    colour: Colour
    symbol: str
    dash: str = "solid"


INK = Colour("#1b2330", "#e8ebf0")
MUTED = Colour("#566072", "#a3adba")
LINE = Colour("#7f8a9a", "#77828f")
GRID = Colour("#e3e7ed", "#2c3440")
EDGE = Colour("#c3cbd6", "#465061")
FACE = Colour("#f4f6f9", "#1c222c")
PAGE = Colour("#ffffff", "#0f141b")
TRAINED = Colour("#c2410c", "#ff9a5c")
TRAINED_FACE = Colour("#fff3ea", "#2e1f16")
QUERY = Colour("#2f6db3", "#7db2f2")
KEY = Colour("#0d7f6f", "#4fd0bd")
VALUE = Colour("#8a6100", "#e0b45c")
EXPERT = Colour("#7446b5", "#b99bf2")
IMAGE = Colour("#a8327a", "#f08ac4")

# The hue tells the generation, the symbol its place in the family: numbered releases are filled,
# offshoots (Code Llama, Guard) open.
GENERATIONS: dict[str, Mark] = {
    "llama-1": Mark(Colour("#8c6d1f", "#d9b44a"), "circle"),
    "llama-2": Mark(Colour("#2f6db3", "#7db2f2"), "square"),
    "code-llama": Mark(Colour("#2f6db3", "#7db2f2"), "square-open"),
    "llama-3": Mark(Colour("#0d7f6f", "#4fd0bd"), "diamond"),
    "llama-3.1": Mark(Colour("#0d7f6f", "#4fd0bd"), "triangle-up"),
    "llama-3.2": Mark(Colour("#0d7f6f", "#4fd0bd"), "triangle-down"),
    "llama-3.2-vision": Mark(Colour("#0d7f6f", "#4fd0bd"), "pentagon"),
    "llama-3.2-quantized": Mark(Colour("#0d7f6f", "#4fd0bd"), "triangle-down-open"),
    "llama-3.3": Mark(Colour("#0d7f6f", "#4fd0bd"), "star"),
    "llama-4": Mark(Colour("#b02a6f", "#f486bd"), "hexagon"),
    "llama-guard": Mark(Colour("#5d6776", "#a3adba"), "x-thin-open"),
}

METHODS: dict[str, Mark] = {
    "full": Mark(Colour("#1b2330", "#e8ebf0"), "star", "solid"),
    "lora": Mark(Colour("#2f6db3", "#7db2f2"), "circle", "solid"),
    "qlora": Mark(Colour("#2f6db3", "#7db2f2"), "circle-open", "dash"),
    "llama-adapter-v1": Mark(Colour("#b3470f", "#ff9a5c"), "square", "solid"),
    "llama-adapter-v2": Mark(Colour("#b3470f", "#ff9a5c"), "diamond", "dash"),
    "llama-excitor": Mark(Colour("#0d7f6f", "#4fd0bd"), "triangle-up", "dot"),
    "norms-and-biases": Mark(Colour("#7446b5", "#b99bf2"), "triangle-down", "dashdot"),
}

_SPARE = (
    Colour("#2f6db3", "#7db2f2"),
    Colour("#b3470f", "#ff9a5c"),
    Colour("#0d7f6f", "#4fd0bd"),
    Colour("#7446b5", "#b99bf2"),
    Colour("#8c6d1f", "#d9b44a"),
    Colour("#a8327a", "#f08ac4"),
)
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "pentagon")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


def generation_mark(generation: str) -> Mark:
    """The mark of a generation; one that is not known gets a neutral one."""
    return GENERATIONS.get(generation, Mark(MUTED, "cross"))


def method_mark(method: str) -> Mark:
    """The mark of a method; those outside of the survey share a neutral one."""
    return METHODS.get(method, Mark(MUTED, "circle"))


def series_marks(count: int) -> list[Mark]:
    """Marks for series without a meaning of their own (runs, documents), all of them different."""
    colours, symbols, dashes = cycle(_SPARE), cycle(_SYMBOLS), cycle(_DASHES)
    return [Mark(next(colours), next(symbols), next(dashes)) for _ in range(count)]


def template(theme: Theme) -> go.layout.Template:
    """Transparent background, quiet grid, system fonts, tabular numbers in the hover box."""
    axis = {
        "gridcolor": GRID.on(theme),
        "linecolor": EDGE.on(theme),
        "zerolinecolor": EDGE.on(theme),
        "tickcolor": EDGE.on(theme),
        "ticks": "outside",
        "ticklen": 4,
        "showline": True,
        "automargin": True,
        "title": {"standoff": 10, "font": {"size": 13}},
    }
    return go.layout.Template(
        layout=go.Layout(
            paper_bgcolor="rgba(0,0,0,0)",
            plot_bgcolor="rgba(0,0,0,0)",
            font={"family": SANS, "size": 13, "color": INK.on(theme)},
            title={"font": {"size": 16}, "x": 0, "xanchor": "left", "xref": "paper"},
            colorway=[colour.on(theme) for colour in _SPARE],
            xaxis=axis,
            yaxis=axis,
            hoverlabel={
                "bgcolor": FACE.on(theme),
                "bordercolor": EDGE.on(theme),
                "font": {"family": SANS, "size": 12, "color": INK.on(theme)},
                "align": "left",
            },
            legend={
                "orientation": "h",
                "yanchor": "top",
                "y": -0.18,
                "x": 0,
                "title": {"text": ""},
            },
            margin={"l": 8, "r": 12, "t": 40, "b": 8},
        )
    )


def blank(theme: Theme, title: str, height: int = 440) -> go.Figure:
    """An empty figure in the common look, for the charts to add their traces to."""
    figure = go.Figure()
    figure.update_layout(
        template=template(theme), title={"text": title}, height=height, autosize=True
    )
    return figure


def silent(theme: Theme, sentence: str, height: int = 240) -> go.Figure:
    """A figure that says why there is nothing to show."""
    figure = blank(theme, "", height)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.add_annotation(
        text=sentence, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper",
        font={"size": 13, "color": MUTED.on(theme)},
    )  # fmt: skip
    return figure
