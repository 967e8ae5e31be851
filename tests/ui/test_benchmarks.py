"""The Benchmarks tab: charts with their warnings, exports of what is shown, sources everywhere."""

import csv
import io
import json
import re

import pytest

from explorer.catalogue.applications import load_applications, load_challenges
from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.contradiction import load_contradictions
from explorer.catalogue.glossary import load_glossary
from explorer.catalogue.scores import load_method_runs, load_scores
from explorer.catalogue.survey import load_survey
from explorer.ui.benchmarks import contradictions, figures, peft, scores, terms, uses
from explorer.ui.cards.terms import explained
from explorer.ui.chart_view import (
    as_csv,
    cited_rows,
    drawer,
    exporter,
    table_of,
    warnings_card,
)

CATALOGUE = load_catalogue()
CHARTS = scores.Charts(CATALOGUE)


@pytest.mark.parametrize("axis", scores.AXIS_TITLES)
def test_scores_are_drawn_against_every_axis(axis):
    chart = CHARTS.scores("mmlu", axis, ["base"], [], "", "dark")
    assert chart.rows
    assert all(row["variant"] == "base" for row in chart.rows)
    assert all(row["source"] for row in chart.rows)


def test_figures_that_were_measured_differently_come_with_a_visible_warning():
    chart = CHARTS.scores("mmlu", "parameters", [], [], "", "light")
    assert len({row["document"] for row in chart.rows}) > 1
    html = warnings_card(chart.warnings)
    assert "measured alike" in html
    assert 'role="note"' in html
    assert warnings_card(()) == ""


def test_a_benchmark_without_figures_of_the_kind_asked_for_shows_all_and_says_so():
    chart = CHARTS.scores("multipl-e-mbpp", "parameters", ["base"], [], "", "light")
    assert chart.rows
    assert "all kinds are shown" in chart.warnings[0]


def test_no_line_joins_figures_of_different_documents_metrics_or_shots():
    for benchmark in ("mmlu", "gsm8k", "humaneval", "arc-challenge"):
        chart = CHARTS.scores(benchmark, "parameters", [], [], scores.ALL_PARTS, "light")
        told = {(row["parameters"], row["value"]): set() for row in chart.rows}
        for row in chart.rows:
            alike = (row["document"], row["metric"].lower(), row["shots"], row["part"])
            told[row["parameters"], row["value"]].add(alike)
        for trace in chart.figure.data:
            if "lines" in (trace.mode or "") and len(trace.x) > 1:
                kinds = [told[x, y] for x, y in zip(trace.x, trace.y, strict=True)]
                assert set.intersection(*kinds), benchmark


def test_a_chart_is_drawn_only_where_it_is_seen():
    draw = drawer("pairs", CHARTS.pairs)
    hidden = draw("scores", 8, "light")
    figure, warnings, table = draw("pairs", 8, "light")
    assert all(part["__type__"] == "update" for part in hidden)
    assert figure.data
    assert "one document" in warnings
    assert len(table["data"]) == 8


def test_the_files_hold_exactly_the_rows_of_the_chart():
    chart = CHARTS.map("base", ["knowledge"], "light")
    export = exporter("map", CHARTS.map)
    text, name = export("csv", "base", ["knowledge"])
    assert name == "map.csv"
    read = list(csv.DictReader(io.StringIO(text)))
    assert [row["model"] for row in read] == [row["model"] for row in chart.rows]
    assert [float(row["value"]) for row in read] == [row["value"] for row in chart.rows]
    as_read = json.loads(export("json", "base", ["knowledge"])[0])
    shown = cited_rows(chart.rows)
    assert [row["source"] for row in as_read] == [row["source"] for row in shown]
    assert all(row["link"].startswith("https://") for row in as_read)


def test_a_cell_that_a_spreadsheet_would_run_is_made_harmless():
    text = as_csv([{"name": "=HYPERLINK(1)", "value": -3}])
    assert "'=HYPERLINK(1),-3" in text


def test_a_table_of_nothing_is_empty():
    assert table_of([]) == {"headers": [], "data": []}


def test_every_figure_is_in_the_table_with_the_document_that_prints_it():
    rows = figures.Handlers(CATALOGUE).rows("scores", [], [])
    assert len(rows) == len(load_scores()) > 2000
    assert all(row["source"] for row in rows)
    some = figures.Handlers(CATALOGUE).rows("scores", ["llama-3.1-8b"], ["mmlu"])
    assert {row["model"] for row in some} == {"Llama 3.1 8B"}
    text, _ = figures.Handlers(CATALOGUE).export("csv", "scores", ["llama-3.1-8b"], ["mmlu"])
    assert len(list(csv.DictReader(io.StringIO(text)))) == len(some)


@pytest.mark.parametrize(("which", "number"), [("scores", 2122), ("results", 537), ("runs", 63)])
def test_all_published_figures_are_in_the_tables_and_in_the_files(which, number):
    handlers = figures.Handlers(CATALOGUE)
    rows = handlers.rows(which, [], [])
    assert len(rows) == number
    assert all(row["source"] and row["link"].startswith("https://") for row in rows)
    shown, told = handlers.table("figures", which, [], [])
    assert f"{number:,} rows" in told
    assert len(shown["value"]["data"]) == number
    assert len(shown["column_widths"]) == len(shown["value"]["headers"])
    text, name = handlers.export("csv", which, [], [])
    saved = list(csv.DictReader(io.StringIO(text)))
    assert name == f"llama-{which}.csv"
    assert [row["source"] for row in saved] == [row["source"] for row in rows]
    assert json.loads(handlers.export("json", which, [], [])[0]) == rows


def test_the_endpoint_of_all_figures_names_what_there_is():
    handlers = figures.Handlers(CATALOGUE)
    assert {row["base model"] for row in handlers.published_figures("results", "llama-1-65b")}
    with pytest.raises(Exception, match=r"scores|results|runs"):
        handlers.published_figures("score")
    with pytest.raises(Exception, match="Did you mean"):
        handlers.published_figures("scores", "llama-3.1-8")


def test_figures_that_must_not_be_plotted_are_in_no_chart():
    kept_out = {(s.model, s.value, s.metric) for s in load_scores() if not s.plot}
    assert kept_out
    for benchmark in {s.benchmark for s in load_scores() if not s.plot}:
        chart = CHARTS.scores(benchmark, "parameters", [], [], scores.ALL_PARTS, "light")
        assert any("left out" in warning for warning in chart.warnings)
        shown = sum(s.plot and s.benchmark == benchmark for s in load_scores())
        assert len(chart.rows) <= shown


def test_trade_offs_hold_every_finished_run_on_any_two_measures():
    done = [run for run in load_method_runs() if run.status == "success"]
    found = peft.method_comparison("memory", "forgetting")
    assert len(found["rows"]) == len(done)
    with pytest.raises(Exception, match="choose two different"):
        peft.method_comparison("memory", "memory")
    with pytest.raises(Exception, match="Did you mean"):
        peft.method_comparison("memori", "time")


def test_peft_against_full_is_told_with_both_figures():
    found = peft.peft_against_full_tuning()
    assert found["rows"]
    for row in found["rows"]:
        assert row["percent"] == pytest.approx(100 * row["value"] / row["full"])


def test_endpoints_answer_with_plain_values_or_a_sentence():
    json.dumps(CHARTS.benchmark_scores("mmlu", "released", ""))
    json.dumps(CHARTS.smaller_beats_larger(4))
    json.dumps(CHARTS.list_benchmarks())
    with pytest.raises(Exception, match="Did you mean 'mmlu'"):
        CHARTS.benchmark_scores("mmlo")
    with pytest.raises(Exception, match="no axis"):
        CHARTS.benchmark_scores("mmlu", "weight")


def test_every_contradiction_stands_with_all_sides_and_what_is_used():
    handlers = contradictions.Handlers(CATALOGUE)
    html = handlers.cards("contradictions", [], "")
    found = load_contradictions()
    assert len(found) >= 40
    assert html.count("Used here: ") == len(found)
    assert html.count("<li>") == sum(len(item.sayings) for item in found)
    assert handlers.contradictions("llama-3.3 co2") or handlers.contradictions("CO2")
    assert "agree" in handlers.cards("contradictions", [], "no such words at all")


def test_uses_and_limits_hold_every_entry_with_its_source():
    html = uses.Handlers(CATALOGUE).page("uses")
    topics = [*load_applications().values(), *load_challenges().values()]
    for topic in topics:
        for source in topic.sources.values():
            assert str(source.url).replace("&", "&amp;") in html
    assert html.count('class="cited"') == sum(len(topic.entries) for topic in topics)
    assert html.count("<tr>") == len(load_survey().inconsistencies) + 1
    json.dumps(uses.Handlers(CATALOGUE).uses_and_limits())


def test_links_in_texts_lead_to_things_that_exist():
    text = uses.Handlers(CATALOGUE).page("uses")
    text += contradictions.Handlers(CATALOGUE).cards("contradictions", [], "")
    known = {
        "model": CATALOGUE.models, "method": CATALOGUE.methods,
        "generations": CATALOGUE.generations,
    }  # fmt: skip
    found = re.findall(r'href="\?tab=\w+&amp;view=\w+&amp;(\w+)=([^"]+)"', text)
    assert len(found) > 20
    assert all(value in known[name] for name, value in found)


def test_terms_are_all_there_and_found_by_other_spellings():
    html = terms.terms("terms", "")
    assert html.count("<dt>") == len(load_glossary())
    assert "term-lora" in terms.terms("terms", "lora_alpha rank") + terms.terms("terms", "LoRA")
    assert "No term" in terms.terms("terms", "no such thing")


def test_a_text_explains_its_terms_once_and_stays_escaped():
    html = explained("LoRA <b>and</b> LoRA again")
    assert html.count("<dfn") == 1
    assert "<b>" not in html
    assert explained("nothing to say") == "nothing to say"
