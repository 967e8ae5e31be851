"""Charts: what they show is what they hand over, and nothing incomparable is joined."""

import datetime as dt

import pytest

from explorer.catalogue.benchmark import Score
from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError, UnknownNameError
from explorer.catalogue.scores import load_method_runs, load_published_results, load_scores
from explorer.figures import chart
from explorer.figures.pairs import OWN_SCALES, beating_pairs, smaller_beats_larger, striking_pairs
from explorer.figures.pareto import MEASURES, frontier, measure, pareto, peft_against_full
from explorer.figures.scores import AXES, heat_map, score_chart
from explorer.figures.timeline import NEVER, timeline

CATALOGUE = load_catalogue()
MODELS, BENCHMARKS = CATALOGUE.models, CATALOGUE.benchmarks
SCORES, RUNS, RESULTS = load_scores(), load_method_runs(), load_published_results()
MMLU = BENCHMARKS["mmlu"]


def score(model, value, **changed):
    fields = {
        "model": model, "variant": "base", "benchmark": "mmlu", "part": "", "printed": "MMLU",
        "metric": "acc", "shots": "5", "value": value, "better": "higher",
        "source": ("llama2_card: a table",),
    } | changed  # fmt: skip
    return Score(**fields)


def joined(figure):
    """Sets of points that a line connects."""
    return [list(zip(t.x, t.y, strict=True)) for t in figure.data if "lines" in (t.mode or "")]


class TestNumbersOfAModel:
    @pytest.mark.parametrize(
        ("model", "tokens"),
        [("llama-1-7b", 1e12), ("llama-3-8b", 15e12), ("llama-3.1-405b", 15.6e12),
         ("llama-3.2-1b", 9e12), ("llama-4-scout-17b-16e", 40e12), ("llama-3.2-1b-qlora", 9e12),
         ("llama-4-behemoth", 30e12), ("llama-3.2-11b-vision", None), ("llama-guard-1-7b", None)],
    )  # fmt: skip
    def test_tokens_are_read_from_what_was_published_but_pairs_are_no_tokens(self, model, tokens):
        assert chart.training_tokens(MODELS[model]) == tokens

    def test_sizes_are_exact_where_they_can_be_and_active_as_published(self):
        maverick = MODELS["llama-4-maverick-17b-128e"]
        assert chart.total_parameters(maverick) == 401_583_781_376
        assert chart.active_parameters(maverick) == 17e9
        assert chart.total_parameters(MODELS["llama-4-behemoth"]) == 2e12
        assert chart.active_parameters(MODELS["llama-2-7b"]) == 6_738_415_616

    def test_compute_is_six_times_active_parameters_times_tokens(self):
        assert chart.training_compute(MODELS["llama-4-scout-17b-16e"]) == 6 * 17e9 * 40e12
        assert chart.training_compute(MODELS["llama-guard-1-7b"]) is None


class TestTimeline:
    def test_every_dated_model_is_shown_and_the_rest_is_named(self):
        drawn = timeline(MODELS.values())
        dated = {m.id for m in MODELS.values() if m.release_date.value}
        assert {row["model"] for row in drawn.rows} == dated
        assert sum(len(t.x) for t in drawn.figure.data) == len(dated)
        assert len(drawn.warnings) == len(MODELS) - len(dated)
        assert any("Behemoth" in warning for warning in drawn.warnings)

    def test_hover_cites_the_documents(self):
        texts = [text for t in timeline(MODELS.values()).figure.data for text in t.hovertext]
        assert all("<i>" in text for text in texts)

    def test_what_was_never_released_is_marked_where_its_generation_came_out(self):
        drawn = timeline(MODELS.values(), "light", CATALOGUE.generations)
        assert {row["model"] for row in drawn.rows} == set(MODELS)
        marks = {
            words: (when, symbol)
            for trace in drawn.figure.data
            for words, when, symbol in zip(trace.text, trace.x, trace.marker.symbol, strict=True)
        }
        assert len([words for words in marks if "never released" in words]) == 2
        assert marks["34B, <b>never released</b>"][1] == NEVER
        when, symbol = marks["Behemoth, <b>never released</b>"]
        assert when == CATALOGUE.generations["llama-4"].released
        assert symbol == NEVER
        assert sum(symbol == NEVER for _, symbol in marks.values()) == 2

    def test_every_model_has_a_row_of_its_own_and_the_lanes_are_in_order(self):
        drawn = timeline(MODELS.values(), "dark", CATALOGUE.generations)
        heights = [y for trace in drawn.figure.data for y in trace.y]
        assert heights == sorted(set(heights))
        lanes = [note.text for note in drawn.figure.layout.annotations]
        ordered = sorted(CATALOGUE.generations.values(), key=lambda g: g.order)
        assert lanes == [f"<b>{generation.name}</b>" for generation in ordered]

    def test_nothing_to_show_is_said(self):
        assert "No model" in timeline([]).figure.layout.annotations[0].text


class TestScores:
    def test_only_figures_measured_alike_are_joined(self):
        for against in AXES:
            drawn = score_chart(SCORES, MODELS, MMLU, against, part=None)
            by_place = {}
            for s in SCORES:
                if s.benchmark == "mmlu" and s.plot:
                    place = AXES[against][1](MODELS[s.model])
                    by_place.setdefault((place, s.value), set()).add(
                        (*s.comparable_with, s.variant)
                    )
            for line in joined(drawn.figure):
                assert set.intersection(*(by_place[point] for point in line))

    @pytest.mark.parametrize(
        "changed",
        [{"shots": "0"}, {"metric": "macro acc"}, {"source": ("herd_paper: a table",)},
         {"variant": "instruct"}, {"part": "STEM"}],
    )  # fmt: skip
    def test_what_differs_is_not_joined_and_is_warned_of(self, changed):
        pair = [score("llama-2-7b", 45.0), score("llama-2-13b", 54.0, **changed)]
        drawn = score_chart(pair, MODELS, MMLU, part=None)
        assert not joined(drawn.figure)
        assert "mix" in drawn.warnings[-1]

    def test_what_is_alike_is_joined_without_a_warning(self):
        drawn = score_chart([score("llama-2-7b", 45.0), score("llama-2-13b", 54.0)], MODELS, MMLU)
        assert [[y for _, y in line] for line in joined(drawn.figure)] == [[45.0, 54.0]]
        assert drawn.warnings == ()

    def test_figures_kept_out_of_plots_are_counted_and_not_shown(self):
        kept = score("llama-2-7b", 1.0, not_plotted="the scale is unclear")
        drawn = score_chart([kept, score("llama-2-13b", 54.0)], MODELS, MMLU)
        assert [row["value"] for row in drawn.rows] == [54.0]
        assert drawn.warnings == ("1 figure is left out: the scale is unclear.",)

    def test_against_the_date_nothing_is_joined(self):
        drawn = score_chart(SCORES, MODELS, MMLU, "released")
        assert not joined(drawn.figure)
        assert isinstance(drawn.rows[0]["released"], dt.date)

    def test_hover_says_how_it_was_measured_and_where(self):
        drawn = score_chart(SCORES, MODELS, MMLU)
        text = drawn.figure.data[0].hovertext[0]
        assert "shots: 5" in text
        assert "metric: " in text
        assert "<i>" in text

    def test_a_benchmark_that_has_parts_alone_shows_all_of_them(self):
        parts = [score("llama-2-7b", 45.0, part="STEM"), score("llama-2-7b", 47.0, part="other")]
        drawn = score_chart(parts, MODELS, MMLU)
        assert {row["part"] for row in drawn.rows} == {"STEM", "other"}
        assert "2 parts of the benchmark" in drawn.warnings[-1]

    def test_an_unknown_axis_is_refused(self):
        with pytest.raises(UnknownNameError, match="Did you mean 'parameters'"):
            score_chart(SCORES, MODELS, MMLU, "paramters")

    def test_a_hostile_note_stays_text(self):
        pair = [score("llama-2-7b", 45.0, metric="<img src=x onerror=alert(1)>")]
        assert "<img" not in score_chart(pair, MODELS, MMLU).figure.to_json()

    def test_the_chart_is_json_for_every_benchmark_and_axis(self):
        for benchmark in BENCHMARKS.values():
            assert score_chart(SCORES, MODELS, benchmark, part=None).figure.to_json()
        for against in AXES:
            assert score_chart(SCORES, MODELS, MMLU, against).figure.to_json()


class TestHeatMap:
    def test_a_column_holds_one_comparable_set(self):
        drawn = heat_map(SCORES, MODELS, BENCHMARKS)
        for benchmark in {row["benchmark"] for row in drawn.rows}:
            column = [row for row in drawn.rows if row["benchmark"] == benchmark]
            alike = {(r["metric"].lower(), r["shots"], r["source"].split(":")[0]) for r in column}
            assert len(alike) == 1
            assert len(column) == len({row["model"] for row in column}) > 1
        assert "compare within a column" in drawn.warnings[0]

    def test_numbers_in_cells_are_the_rows(self):
        drawn = heat_map(SCORES, MODELS, BENCHMARKS, "instruct", "dark")
        cells = [text for line in drawn.figure.data[0].text for text in line if text]
        assert sorted(cells) == sorted(f"{row['value']:g}" for row in drawn.rows)

    def test_a_column_says_which_part_it_holds_and_a_whole_goes_before_a_part(self):
        whole = [score("llama-2-7b", 10.0), score("llama-2-13b", 20.0)]
        other = {"shots": "0", "part": "average of all"}
        average = [score("llama-2-7b", 11.0, **other), score("llama-2-13b", 21.0, **other)]
        single = {"shots": "1", "part": "STEM"}
        stem = [score("llama-2-7b", 12.0, **single), score("llama-2-13b", 22.0, **single)]

        def column(scores):
            drawn = heat_map(scores, MODELS, {"mmlu": MMLU})
            assert len({row["part"] for row in drawn.rows}) == 1
            return drawn.figure.data[0].x[0]

        assert column([*stem, *average, *whole]) == "MMLU"
        assert column([*stem, *average]) == "MMLU: average of all"
        assert column([*stem, score("llama-2-7b", 1.0)]) == "MMLU: STEM"

    def test_the_best_of_a_column_is_darkest_also_where_lower_is_better(self):
        low = [
            score("llama-2-7b", 10.0, better="lower"),
            score("llama-2-13b", 20.0, better="lower"),
        ]
        cells = heat_map(low, MODELS, {"mmlu": MMLU}).figure.data[0]
        darkness = dict(zip(cells.y, (line[0] for line in cells.z), strict=True))
        assert darkness == {"Llama 2 7B": 1, "Llama 2 13B": 0}


class TestPairs:
    def test_every_pair_is_comparable_and_the_smaller_is_better(self):
        pairs = beating_pairs(SCORES, MODELS)
        assert pairs
        for pair in pairs:
            assert pair.smaller.comparable_with == pair.larger.comparable_with
            assert pair.smaller.variant == pair.larger.variant
            small, large = (
                chart.total_parameters(MODELS[s.model]) for s in (pair.smaller, pair.larger)
            )
            assert large / small == pair.ratio >= 1.5
            if pair.smaller.better == "lower":
                assert pair.smaller.value < pair.larger.value
            else:
                assert pair.smaller.value > pair.larger.value

    def test_where_lower_is_better_the_lower_one_wins(self):
        low = [
            score("llama-2-7b", 10.0, better="lower"),
            score("llama-2-70b", 20.0, better="lower"),
        ]
        assert [p.smaller.model for p in beating_pairs(low, MODELS)] == ["llama-2-7b"]

    def test_a_figure_from_another_document_makes_no_pair(self):
        other = {"source": ("herd_paper: a table",)}
        pair = [score("llama-2-7b", 60.0), score("llama-2-70b", 50.0, **other)]
        assert beating_pairs(pair, MODELS) == []

    def test_striking_pairs_are_above_guessing_and_on_one_scale(self):
        for pair in striking_pairs(SCORES, MODELS, BENCHMARKS):
            assert BENCHMARKS[pair.smaller.benchmark].group not in OWN_SCALES
            assert pair.gain >= 1
        guess = [score("llama-2-7b", 25.5), score("llama-2-70b", 24.0)]
        assert striking_pairs(guess, MODELS, BENCHMARKS) == []

    def test_a_gain_within_the_printed_intervals_is_no_gain(self):
        notes = {"llama-2-7b": "±6.0 (95% CI)", "llama-2-70b": "±8.0 (95% CI)"}

        def striking(gain, notes):
            pair = [score("llama-2-7b", 50.0 + gain), score("llama-2-70b", 50.0)]
            again = [score(s.model, s.value, note=notes[s.model]) for s in pair if s.model in notes]
            return striking_pairs([*pair, *again], MODELS, BENCHMARKS)

        assert striking(9.9, notes) == []
        assert len(striking(10.1, notes)) == 1
        assert len(striking(9.9, {})) == 1

    def test_a_pair_is_named_with_its_part_and_metric(self):
        pair = [
            score("llama-2-7b", 60.0, part="STEM", metric="pass@10"),
            score("llama-2-70b", 50.0, part="STEM", metric="pass@10"),
        ]
        drawn = smaller_beats_larger(pair, MODELS, BENCHMARKS)
        assert "MMLU, STEM, pass@10 (base)" in drawn.figure.layout.annotations[0].text

    def test_the_chart_shows_what_it_hands_over(self):
        drawn = smaller_beats_larger(SCORES, MODELS, BENCHMARKS)
        smaller = next(t for t in drawn.figure.data if t.name == "smaller model")
        assert list(smaller.x) == [row["smaller_value"] for row in drawn.rows]
        assert all(row["source"] for row in drawn.rows)


class TestPareto:
    def test_no_run_beats_one_of_the_frontier_on_both_measures(self):
        for x in MEASURES:
            for y in MEASURES:
                if x == y:
                    continue
                drawn = pareto(RUNS, x, y)
                best = [row for row in drawn.rows if row["frontier"]]
                assert best
                for row in best:
                    assert not any(_beats(other, row, x, y) for other in drawn.rows)

    def test_a_frontier_in_small(self):
        low, high = MEASURES["memory"], MEASURES["accuracy"]
        points = [(1, 10), (2, 9), (2, 20), (3, 20), (5, 30), (0.5, 1)]
        assert [points[i] for i in frontier(points, low, high)] == [
            (0.5, 1),
            (1, 10),
            (2, 20),
            (5, 30),
        ]
        assert [points[i] for i in frontier(points, low, low)] == [(0.5, 1)]

    def test_every_run_is_shown_once(self):
        drawn = pareto(RUNS)
        shown = sum(len(t.x) for t in drawn.figure.data if "markers" in t.mode)
        assert shown == len(drawn.rows) == sum(run.status == "success" for run in RUNS)

    def test_differing_versions_are_told(self):
        assert any("version of peft" in warning for warning in pareto(RUNS).warnings)

    def test_mistakes_are_refused(self):
        with pytest.raises(UnknownNameError, match="Did you mean 'accuracy'"):
            measure("acuracy")
        with pytest.raises(ExplorerError, match="two different"):
            pareto(RUNS, "time", "time")


def _beats(one, other, x, y):
    def cost(row, name):
        return row[name] * (1 if MEASURES[name].better == "lower" else -1)

    mine, yours = (cost(one, x), cost(one, y)), (cost(other, x), cost(other, y))
    return mine != yours and mine[0] <= yours[0] and mine[1] <= yours[1]


class TestPeftAgainstFull:
    def test_each_figure_is_relative_to_the_same_documents_full_fine_tuning(self):
        drawn = peft_against_full(RESULTS)
        assert len({row["task"] for row in drawn.rows}) >= 5
        for row in drawn.rows:
            assert row["percent"] == pytest.approx(100 * row["value"] / row["full"])
            assert row["method"] != "full"

    def test_costs_are_no_quality(self):
        tasks = " ".join(row["task"] for row in peft_against_full(RESULTS).rows)
        assert "memory" not in tasks
        assert "training time" not in tasks

    def test_what_has_no_fully_tuned_neighbour_is_not_shown(self):
        alone = [r for r in RESULTS if r.method == "llama-excitor"]
        assert peft_against_full(alone).rows == ()
