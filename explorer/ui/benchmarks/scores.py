"""Views of published scores: against size and time, as a map, and where a smaller model wins."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import gradio as gr
from gradio.components import Component

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.catalogue.scores import load_scores
from explorer.figures.chart import Chart
from explorer.figures.pairs import smaller_beats_larger
from explorer.figures.scores import AXES, heat_map, score_chart
from explorer.ui.cards.benchmark import about_benchmark
from explorer.ui.chart_view import chart_view
from explorer.ui.endpoint import endpoint
from explorer.ui.errors import told
from explorer.ui.models_table import ordered
from explorer.ui.tab import Page

FIRST = "mmlu"
WHOLE = "the whole"
ALL_PARTS = "all parts"
VARIANTS = {"base": "base", "instruct": "instruct and chat", "python": "Python", "safety": "safety"}
AXIS_TITLES = {
    "parameters": "parameters",
    "active": "active parameters",
    "released": "release date",
    "tokens": "training tokens",
    "compute": "training compute",
}


def build_scores(page: Page, view: gr.Radio) -> dict[str, Component]:
    """One benchmark against a property of the models; returns the inputs by URL name."""
    charts = Charts(page.catalogue)
    generations = sorted(page.catalogue.generations.values(), key=lambda g: g.order)
    with gr.Row(elem_classes="filters"):
        inputs: dict[str, Component] = {
            "benchmark": gr.Dropdown(charts.benchmarks(), value=FIRST, label="Benchmark"),
            "axis": gr.Dropdown(
                [(title, name) for name, title in AXIS_TITLES.items()], value="parameters",
                label="Against",
            ),
            "variants": gr.Dropdown(
                [(title, name) for name, title in VARIANTS.items()], value=["base"],
                multiselect=True, label="Kinds of model",
            ),
            "families": gr.Dropdown(
                [(g.name, g.id) for g in generations], value=[], multiselect=True,
                label="Generations",
            ),
        }  # fmt: skip
        inputs["part"] = gr.Dropdown(
            [], value="", allow_custom_value=True, label="Part of the benchmark"
        )
    about = gr.HTML(label="About the benchmark")
    gr.on(
        [page.visited.change, inputs["benchmark"].change],
        charts.about, [inputs["benchmark"], inputs["part"]], [about, inputs["part"]],
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    chart_view(page, "scores", charts.scores, list(inputs.values()), view)
    endpoint(charts.benchmark_scores)
    endpoint(charts.list_benchmarks, api_name="benchmarks")
    return inputs


def build_map(page: Page, view: gr.Radio) -> dict[str, Component]:
    """Models against benchmarks; returns the inputs by URL name."""
    charts = Charts(page.catalogue)
    with gr.Row(elem_classes="filters"):
        variant = gr.Dropdown(
            [(VARIANTS[name], name) for name in ("base", "instruct")], value="base",
            label="Kind of model",
        )  # fmt: skip
        groups = gr.Dropdown(
            charts.groups(), value=["knowledge", "reasoning", "mathematics", "code"],
            multiselect=True, label="Groups of benchmarks",
        )  # fmt: skip
    chart_view(page, "map", charts.map, [variant, groups], view)
    return {"kind": variant, "groups": groups}


def build_pairs(page: Page, view: gr.Radio) -> dict[str, Component]:
    """Where a smaller model beats a larger one; returns the inputs by URL name."""
    charts = Charts(page.catalogue)
    most = gr.Slider(4, 40, value=16, step=1, label="Pairs shown, the largest ratio first")
    chart_view(page, "pairs", charts.pairs, [most], view)
    endpoint(charts.smaller_beats_larger)
    return {"pairs": most}


class Charts:
    """The charts over one catalogue, from plain values."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.models = {model.id: model for model in ordered(catalogue)}

    def benchmarks(self) -> list[tuple[str, str]]:
        """Names and ids of the benchmarks that have a figure to show, by group."""
        held = {score.benchmark for score in load_scores() if score.plot}
        found = [b for b in self.catalogue.benchmarks.values() if b.id in held]
        found.sort(key=lambda b: (b.group, b.name.lower()))
        return [(f"{b.group}: {b.name}", b.id) for b in found]

    def groups(self) -> list[str]:
        """The groups of benchmarks."""
        return sorted({b.group for b in self.catalogue.benchmarks.values()})

    @told
    def about(self, benchmark: str, part: str) -> tuple[str, dict]:
        """What a benchmark measures, and its parts to choose from."""
        found = self.catalogue.benchmark(benchmark)
        parts = dict.fromkeys(s.part for s in load_scores() if s.benchmark == benchmark and s.plot)
        choices = [(name or WHOLE, name) for name in sorted(parts)] + [(ALL_PARTS, ALL_PARTS)]
        kept = part if part in (*parts, ALL_PARTS) else choices[0][1]
        return about_benchmark(found), gr.update(choices=choices, value=kept)

    def scores(
        self,
        benchmark: str,
        axis: str,
        variants: Sequence[str],
        families: Sequence[str],
        part: str,
        theme: str,
    ) -> Chart:
        """One benchmark's figures against a property of the models."""
        found, one = self.catalogue.benchmark(benchmark), None if part == ALL_PARTS else part
        models = {
            name: model
            for name, model in self.models.items()
            if not families or model.generation in families
        }
        mine = [s for s in load_scores() if s.benchmark == benchmark and s.model in models]
        asked = [s for s in mine if not variants or _kind(s.variant) in variants]
        if mine and not any(score.plot for score in asked):
            chart = self._named(score_chart(mine, models, found, axis, theme, one))
            kinds = " or ".join(VARIANTS[name] for name in variants)
            told = f"No figure of {found.name} is of a {kinds} model: all kinds are shown."
            return replace(chart, warnings=(told, *chart.warnings))
        return self._named(score_chart(asked, models, found, axis, theme, one))

    def _named(self, chart: Chart) -> Chart:
        """The chart with the generations' names in its legend."""
        names = {
            generation.id: generation.name for generation in self.catalogue.generations.values()
        }
        chart.figure.for_each_trace(
            lambda trace: trace.update(name=names.get(trace.name, trace.name))
        )
        return chart

    def map(self, variant: str, groups: Iterable[str], theme: str) -> Chart:
        """Models by benchmarks, of the groups asked for (all if none)."""
        wanted = set(groups)
        kept = {
            b.id: b
            for b in sorted(self.catalogue.benchmarks.values(), key=lambda b: (b.group, b.name))
            if not wanted or b.group in wanted
        }
        return heat_map(load_scores(), self.models, kept, variant, theme)

    def pairs(self, most: int, theme: str) -> Chart:
        """The most striking pairs of a smaller model that beats a larger one."""
        benchmarks = self.catalogue.benchmarks
        return smaller_beats_larger(load_scores(), self.models, benchmarks, theme, int(most))

    @told
    def benchmark_scores(
        self, benchmark: str, against: str = "parameters", variant: str = "base"
    ) -> dict:
        """Published scores on a benchmark, each with its document, and what may not be compared.

        Args:
            benchmark: id of a benchmark, such as "mmlu".
            against: "parameters", "active", "released", "tokens" or "compute".
            variant: "base", "instruct", "python", "safety", or empty for all.
        """
        if against not in AXES:
            raise unknown("axis", against, AXES)
        if variant and variant not in VARIANTS:
            raise unknown("kind of model", variant, VARIANTS)
        chart = self.scores(
            benchmark, against, [variant] if variant else [], [], ALL_PARTS, "light"
        )
        return {"warnings": list(chart.warnings), "rows": plain_rows(chart)}

    @told
    def smaller_beats_larger(self, most: int = 16) -> dict:
        """Pairs in which a smaller model scores better than a larger one, measured alike.

        Args:
            most: how many pairs, from 1, the largest ratio of sizes first.
        """
        if most < 1:
            raise ExplorerError(f"most = {most}: it takes a whole number from 1.")
        chart = self.pairs(most, "light")
        return {"warnings": list(chart.warnings), "rows": plain_rows(chart)}

    def list_benchmarks(self) -> list[dict]:
        """Every benchmark: what it measures, its metric, which way is better, what chance gives."""
        return [
            {
                "id": b.id, "name": b.name, "group": b.group, "measures": b.measures,
                "metric": b.metric, "better": b.better, "chance": b.chance.value,
            }
            for b in self.catalogue.benchmarks.values()
        ]  # fmt: skip


def _kind(variant: str) -> str:
    return variant.split("-")[0]


def plain_rows(chart: Chart) -> list[dict]:
    """A chart's rows as JSON holds them."""
    return [{key: _plain(value) for key, value in row.items()} for row in chart.rows]


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
