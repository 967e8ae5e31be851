"""Methods on any two measures of peft's own comparison, and PEFT against full fine-tuning."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log10
from typing import Literal

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.catalogue.result import MethodRun, PublishedResult
from explorer.figures.chart import Chart, Row, hover, label_rows
from explorer.figures.theme import INK, METHODS, MUTED, Theme, blank, method_mark, silent


@dataclass(frozen=True)
class Measure:
    """One axis: a field of a run, the factor to its unit, and which way is better."""

    label: str
    field: str
    factor: float = 1.0
    better: Literal["higher", "lower"] = "lower"
    log: bool = False


MEASURES: dict[str, Measure] = {
    "accuracy": Measure("GSM8K accuracy, %", "gsm8k_test_accuracy", 100, "higher"),
    "trainable": Measure("trainable parameters", "trainable_params", log=True),
    "memory": Measure("peak memory, GB", "mem_max_bytes", 1e-9),
    "time": Measure("training time, minutes", "train_seconds", 1 / 60, log=True),
    "forgetting": Measure("forgetting", "forgetting"),
    "file": Measure("size of the saved adapter, MB", "checkpoint_bytes", 1e-6, log=True),
    "train-loss": Measure("training loss", "train_loss"),
}


def measure(name: str) -> Measure:
    """The measure of this name; UnknownNameError with the nearest."""
    if name not in MEASURES:
        raise unknown("measure", name, MEASURES)
    return MEASURES[name]


def frontier(points: Sequence[tuple[float, float]], x: Measure, y: Measure) -> list[int]:
    """Indices of the points that no other beats on one measure without losing on the other."""
    signs = (1 if x.better == "lower" else -1, 1 if y.better == "lower" else -1)
    costs = [(signs[0] * a, signs[1] * b) for a, b in points]
    kept = [
        i
        for i, (a, b) in enumerate(costs)
        if not any(c <= a and d <= b and (c, d) != (a, b) for c, d in costs)
    ]
    return sorted(kept, key=lambda i: points[i])


def pareto(
    runs: Iterable[MethodRun], x: str = "trainable", y: str = "accuracy", theme: Theme = "light"
) -> Chart:
    """Every run on two measures, with the frontier of those that are not beaten on both.

    All runs share base model, data, steps and device; the warnings say where they do not.
    """
    across, up = measure(x), measure(y)
    if across == up:
        raise ExplorerError(f"Both axes are {x!r}: choose two different measures.")
    done = [run for run in runs if run.status == "success"]
    if not done:
        return Chart(silent(theme, "No run here has finished."))
    points = [_point(run, across, up) for run in done]
    best = frontier(points, across, up)
    figure = blank(theme, "", height=520)
    figure.add_scatter(
        x=[points[i][0] for i in best], y=[points[i][1] for i in best], mode="lines",
        line={"color": MUTED.on(theme), "width": 1.5, "dash": "dash"},
        name="not beaten on both", hoverinfo="skip",
    )  # fmt: skip
    known = set(best)
    named = _labelled(points, _once(best, done), (across, up))
    first = min(range(len(points)), key=lambda i: points[i][0])  # no room to its left
    place = f"{'top' if up.better == 'higher' else 'bottom'} left"
    own = [m for m in METHODS if any(run.method == m for run in done)]
    for method in ("", *own):
        held = [
            i for i, run in enumerate(done) if (run.method if run.method in own else "") == method
        ]
        mark = method_mark(method)
        colour = mark.colour.on(theme)
        figure.add_scatter(
            x=[points[i][0] for i in held],
            y=[points[i][1] for i in held],
            mode="markers+text",
            name=legend(method),
            text=[_name(done[i]) if i in named else "" for i in held],
            textposition=[place if i != first else place.replace("left", "right") for i in held],
            textfont={"size": 10.5, "color": INK.on(theme)},
            marker={
                "color": colour,
                "symbol": mark.symbol,
                "size": [12 if i in known or method else 8 for i in held],
                "opacity": [1 if i in known or method else 0.55 for i in held],
                "line": {"width": 1.5, "color": colour},
            },
            hovertext=[_told(done[i]) for i in held],
            hoverinfo="text",
        )
    for update, axis in ((figure.update_xaxes, across), (figure.update_yaxes, up)):
        update(title_text=f"{axis.label} ({axis.better} is better)",
               type="log" if axis.log else "linear")  # fmt: skip
    return Chart(figure, _apart(done), tuple(_row(run, i in known) for i, run in enumerate(done)))


def legend(method: str) -> str:
    """A method's name beside its marks; those without marks of their own stand together."""
    return load_catalogue().method(method).name if method else "other methods"


def _point(run: MethodRun, x: Measure, y: Measure) -> tuple[float, float]:
    return getattr(run, x.field) * x.factor, getattr(run, y.field) * y.factor


def _once(best: Sequence[int], runs: Sequence[MethodRun]) -> list[int]:
    """Of several runs of one method on the frontier, the last."""
    return list({_name(runs[i]): i for i in best}.values())


def _labelled(
    points: Sequence[tuple[float, float]], best: Sequence[int], axes: tuple[Measure, Measure]
) -> set[int]:
    """The points of the frontier whose names fit without running into one another."""
    scaled = []
    for axis, values in zip(axes, zip(*points, strict=True), strict=True):
        placed = [log10(max(value, 1e-12)) if axis.log else value for value in values]
        span = max(placed) - min(placed) or 1
        scaled.append([(value - min(placed)) / span for value in placed])
    chosen: list[int] = []
    for i in reversed(best):
        near = (
            abs(scaled[0][i] - scaled[0][j]) < 0.09 and abs(scaled[1][i] - scaled[1][j]) < 0.05
            for j in chosen
        )
        if not any(near):
            chosen.append(i)
    return set(chosen)


def _name(run: MethodRun) -> str:
    return run.experiment.split("/")[0]


def _told(run: MethodRun) -> str:
    facts = {m.label: round(getattr(run, m.field) * m.factor, 3) for m in MEASURES.values()} | {
        "learning rate": run.learning_rate,
        "targets": run.target_modules,
    }
    return hover(run.experiment, facts, run.source)


def _row(run: MethodRun, best: bool) -> Row:
    fields = {name: getattr(run, m.field) for name, m in MEASURES.items()}
    return {"experiment": run.experiment, "method": run.method, **fields, "frontier": best,
            "source": "; ".join(run.source)}  # fmt: skip


def _apart(runs: Sequence[MethodRun]) -> tuple[str, ...]:
    differing = [
        f"{name} ({', '.join(sorted(map(str, values)))})"
        for name, values in (
            ("base model", {r.base_model for r in runs}),
            ("steps", {r.steps for r in runs}),
            ("device", {r.accelerator for r in runs}),
            ("version of peft", {r.peft for r in runs}),
            ("version of torch", {r.torch for r in runs}),
        )
        if len(values) > 1
    ]
    same = (
        "Each method ran once, at the settings that its contributor chose: a difference of a point "
        "of accuracy may be chance or tuning."
    )
    return (f"Runs differ in {'; '.join(differing)}.", same) if differing else (same,)


# What a table may hold beside quality: these say what tuning costs, not how good it is.
COSTS = ("time", "memory", "storage", "file", "losses", "ties", "wins")


def peft_against_full(results: Iterable[PublishedResult], theme: Theme = "light") -> Chart:
    """How far other methods come of full fine-tuning, wherever one document measured both.

    100 is the fully tuned model's figure on the same task, metric and base model.
    """
    sets: dict[tuple[str, ...], list[PublishedResult]] = {}
    for result in results:
        if result.plot and result.value and not any(cost in result.metric for cost in COSTS):
            sets.setdefault(result.comparable_with, []).append(result)
    rows: list[Row] = []
    for held in sets.values():
        full = next((r for r in held if r.method == "full"), None)
        rows += [_relative(r, full) for r in held if full and r.method not in ("", "full")]
    if not rows:
        return Chart(silent(theme, "No document here measured a method beside full fine-tuning."))
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    figure = blank(theme, "", height=130 + 58 * len(tasks))
    own = [m for m in METHODS if any(row["method"] == m for row in rows)]
    for method in ("", *own):
        held = [r for r in rows if (r["method"] if r["method"] in own else "") == method]
        mark = method_mark(method)
        colour = mark.colour.on(theme)
        figure.add_scatter(
            x=[row["percent"] for row in held],
            y=[tasks.index(row["task"]) + (0.08 if method else 0.2) for row in held],
            mode="markers",
            name=legend(method),
            marker={
                "color": colour,
                "symbol": mark.symbol,
                "size": 11 if method else 7,
                "opacity": 0.95 if method else 0.5,
                "line": {"width": 1.5, "color": colour},
            },
            hovertext=[row["hover"] for row in held],
            hoverinfo="text",
        )
    figure.update_layout(legend={"yref": "paper", "y": 1.0, "yanchor": "bottom"})
    label_rows(figure, tasks, theme)
    figure.add_vline(x=100, line={"color": INK.on(theme), "width": 1.5})
    figure.update_xaxes(title_text="% of the fully fine-tuned model's figure")
    warning = (
        "Every row is one document's own comparison; rows differ in task, judge and base model, "
        "so they say how often PEFT keeps up, not which method is best. Elo has no zero: its per "
        "cents look closer than the games were."
    )
    shown = tuple({k: v for k, v in row.items() if k != "hover"} for row in rows)
    return Chart(figure, (warning,), shown)


def _relative(result: PublishedResult, full: PublishedResult) -> Row:
    percent = 100 * (result.value or 0) / (full.value or 1)
    facts = {
        result.metric: result.value, "full fine-tuning": full.value,
        "trained": result.trainable_params, "base": result.base_model,
    }  # fmt: skip
    return {
        "method": result.method,
        "task": f"<b>{result.task}</b><br>{result.metric}, {result.base_model}",
        "percent": percent, "value": result.value, "full": full.value,
        "trainable_params": result.trainable_params, "source": "; ".join(result.source),
        "hover": hover(f"{result.label}: {percent:.1f} %", facts, result.source),
    }  # fmt: skip
