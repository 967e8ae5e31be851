"""Every number that the catalogue's pages show says where it was read or how it was computed.

What counts as a number, and as a source, stands in `tests/ui/sourced.py`.
"""

import json
import re

import plotly.graph_objects as go
import pytest

from explorer.catalogue.catalogue import load_catalogue
from explorer.figures.timeline import timeline
from explorer.ui import drawings, method_list, models_table
from explorer.ui.benchmarks import contradictions, figures, peft, scores, terms, uses
from explorer.ui.cards.model import model_head
from explorer.ui.chart_view import cited_rows, warnings_card
from explorer.ui.diagram import part_card
from explorer.ui.generations import compare, config, model, table
from explorer.ui.methods import browse, matrix, one, survey
from tests.ui.sourced import Tree, figures_of, names_of, unsourced

CATALOGUE = load_catalogue()
NAMES = names_of(CATALOGUE)
MODELS = [m.id for m in models_table.ordered(CATALOGUE)]
SHAPED = [m for m in MODELS if CATALOGUE.model(m).architecture]
CHARTS = scores.Charts(CATALOGUE)
# Together these groups hold every model beside its neighbours, four at a time.
COMPARISONS = [MODELS[i : i + 4] for i in range(0, len(MODELS) - 1, 3)]


@pytest.mark.parametrize("name", MODELS)
def test_a_models_card(name):
    handlers = model.Handlers(CATALOGUE)
    assert unsourced("".join(handlers.card(name)), NAMES) == []


@pytest.mark.parametrize("name", SHAPED)
def test_a_models_drawing_and_every_box_that_opens(name):
    handlers = model.Handlers(CATALOGUE)
    arch = CATALOGUE.model(name).architecture
    parts = set()
    for level in drawings.levels(arch):
        svg, told, _ = handlers.drawing(name, level, 1)
        assert "counted from the shape" in Tree(told).root.text()
        parts |= set(re.findall(r'data-part="([^"]+)"', svg))
    assert parts
    for part in sorted(parts):
        assert unsourced(part_card(arch, part), NAMES) == [], part


@pytest.mark.parametrize("models", COMPARISONS, ids=lambda models: models[0])
def test_a_comparison_and_the_generations_on_its_way(models):
    handlers = compare.Handlers(CATALOGUE)
    assert unsourced("".join(handlers.compare(models, True)), NAMES) == []


def test_what_all_generations_changed():
    handlers = compare.Handlers(CATALOGUE)
    first, last = "llama-1-7b", "llama-4-scout-17b-16e"
    assert unsourced("".join(handlers.compare([first, last], False)), NAMES) == []


def test_a_pasted_configuration():
    card, *_ = config.drawing("config", json.dumps(config.EXAMPLE), "block", 1)
    assert unsourced(card, NAMES) == []


@pytest.mark.parametrize("method", list(CATALOGUE.methods))
def test_a_methods_card_on_a_model(method):
    handlers = one.Handlers(CATALOGUE)
    head, _, facts, results, _ = handlers.card(method)
    counted, _, told, *_ = handlers.drawing(method, "llama-3.1-8b", "", 0)
    assert unsourced(head + facts + results + counted, NAMES) == []
    assert "counted from the shape" in Tree(told).root.text()


def test_the_views_of_all_methods():
    cards = browse.Handlers(CATALOGUE).browse("", [], [], "llama-4-scout-17b-16e")
    abilities = matrix.Handlers(CATALOGUE).matrix()
    five = survey.Handlers(CATALOGUE).table("llama-1-7b")
    assert len(method_list.ordered(CATALOGUE)) == cards.count('class="method-card"')
    for page in (cards, abilities, five):
        assert unsourced(page, NAMES) == []


def test_the_timeline_and_the_models_that_are_not_on_it():
    _, told = table.Handlers(CATALOGUE).timeline("light")
    assert unsourced(told, NAMES) == []


def test_every_benchmark_that_is_told_about():
    for name in CATALOGUE.benchmarks:
        about, _ = CHARTS.about(name, "")
        assert unsourced(about, NAMES) == [], name


@pytest.mark.parametrize(
    "page",
    [
        lambda: contradictions.Handlers(CATALOGUE).cards("contradictions", [], ""),
        lambda: uses.Handlers(CATALOGUE).page("uses"),
        lambda: terms.terms("terms", ""),
    ],
    ids=["contradictions", "uses, limits and the survey", "glossary"],
)
def test_the_texts_of_the_benchmarks_tab(page):
    assert unsourced(page(), NAMES) == []


def charts():
    for axis in scores.AXIS_TITLES:
        for name in CATALOGUE.benchmarks:
            yield f"{name} against {axis}", CHARTS.scores(name, axis, [], [], "all parts", "light")
    for variant in ("base", "instruct"):
        yield f"map of {variant}", CHARTS.map(variant, [], "light")
    yield "pairs", CHARTS.pairs(40, "light")
    yield "trade-offs", peft.tradeoffs("trainable", "accuracy", "light")
    yield "against full", peft.against_full("light")
    yield "timeline", timeline(models_table.ordered(CATALOGUE))


def hovered(figure: go.Figure) -> list[str]:
    """The hover text of every point of the figure that has one to show."""
    texts: list[str] = []
    for trace in figure.data:
        if trace.hoverinfo == "skip":
            continue
        assert trace.hovertext is not None
        rows = [trace.hovertext] if isinstance(trace.hovertext, str) else trace.hovertext
        for row in rows:
            texts += [row] if isinstance(row, str) else [text for text in row if text]
    return texts


def test_every_mark_of_a_chart_and_every_row_behind_it():
    for name, chart in charts():
        assert unsourced(warnings_card(chart.warnings), NAMES) == [], name
        for text in hovered(chart.figure):
            assert re.search(r"<i>\w", text), f"{name}: {text}"
        for row in cited_rows(chart.rows):
            assert row["source"], f"{name}: {row}"


def test_every_row_of_the_tables():
    for which in figures.SETS:
        for row in figures.Handlers(CATALOGUE).rows(which, [], []):
            assert row["source"], row
            assert row["link"].startswith("https://"), row
    for row in models_table.rows(CATALOGUE):
        shown = {"size": "parameters", "active": "active_parameters", "context": "context",
                 "released": "released"}  # fmt: skip
        for name, column in shown.items():
            assert row[column] is None or row["sources"][name], (row["id"], column)


# That the walk can fail: a page of the project with one of its sources taken away.


def test_a_figure_whose_source_is_taken_away_is_found():
    page = model_head(CATALOGUE, CATALOGUE.model("llama-3.1-8b"))
    assert unsourced(page, NAMES) == []
    without_links = str(page).replace(' href="https:', ' data-gone="')
    found = unsourced(without_links, NAMES)
    assert any(told.startswith("23, 2024 ") for told in found), found  # the release date
    without_boxes = str(page).replace('class="with-source"', "")
    assert any(told.startswith("8.03 ") for told in unsourced(without_boxes, NAMES))


@pytest.mark.parametrize(
    "html",
    [
        "<p>It has 8.03 B parameters.</p>",
        "<p>MMLU: 66.6</p>",
        '<p><span class="with-source">7<span class="tip"></span></span></p>',
        '<p data-computed="">12</p>',
        '<p data-computed="from the shape of the model">12</p>',  # told to nobody who reads
        '<ul><li>2 T tokens</li><li>4<span class="said-by">A paper</span></li></ul>',
        '<p class="one-source">It has 3 parts.</p>',
        '<a href="?tab=methods">12 methods</a>',
    ],
)
def test_a_figure_without_a_source_is_found(html):
    assert len(unsourced(html, NAMES)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "LLaMA-Adapter V2 on Llama 3.1 8B",
        "4-bit NF4 and bf16",
        "peft 0.21",
        "HumanEval+",
        "V1, 2nd",
    ],
)
def test_a_name_is_no_figure(text):
    assert figures_of(text, NAMES) == []


def test_html_that_is_closed_wrongly_is_an_error():
    with pytest.raises(ValueError, match="closes"):
        Tree("<p><b>1</p></b>")
    with pytest.raises(ValueError, match="never closed"):
        Tree("<p>1")
