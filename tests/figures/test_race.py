import pytest

from explorer.catalogue.errors import UnknownNameError
from explorer.figures.race import race_pareto, seeds_chart


def record(method, **values):
    usual = {
        "method": method, "name": method, "metric": 0.9, "metric_base": 0.1, "interval": (0.8, 1.0),
        "heldout_loss_after": 0.2, "heldout_loss_base": 3.0, "trainable": 1000, "seconds": 20,
        "peak_bytes": 600 << 20, "adapter_bytes": 2 << 20, "forgetting": 0.5,
        "quantization": "none",
    }  # fmt: skip
    return usual | values


def heights(figure):
    return [shape.y0 for shape in figure.layout.shapes]


def test_runs_stand_at_what_they_took_and_reached_with_their_interval():
    figure = race_pareto([record("lora"), record("full", metric=0.95)], "memory")
    first = figure.data[0]
    assert (first.x[0], first.y[0]) == (600, 0.9)
    assert first.error_y.array[0] == pytest.approx(0.1)
    assert first.error_y.arrayminus[0] == pytest.approx(0.1)


def test_full_fine_tuning_is_the_line_to_beat_and_the_base_another():
    runs = [record("lora"), record("full", metric=0.9), record("full", metric=1.0)]
    assert heights(race_pareto(runs)) == pytest.approx([0.95, 0.1])
    assert heights(race_pareto(runs, goal="loss")) == pytest.approx([0.2, 3.0])
    assert heights(race_pareto([record("lora")])) == pytest.approx([0.1])


def test_a_quantized_base_is_not_the_line_of_the_base():
    runs = [record("qlora", quantization="nf4", metric_base=0.5), record("lora")]
    assert heights(race_pareto(runs)) == pytest.approx([0.1])


def test_without_a_finished_run_it_says_so():
    figure = race_pareto([record("lora", metric=None)])
    assert "No run here has finished" in figure.layout.annotations[0].text


@pytest.mark.parametrize("names", [("memry", "metric"), ("memory", "metrik")])
def test_an_unknown_axis_is_refused(names):
    with pytest.raises(UnknownNameError):
        race_pareto([record("lora")], *names)


def test_seeds_show_each_run_and_the_mean_with_its_interval():
    runs = [record("lora", metric=m) for m in (0.8, 0.9)] + [record("full")]
    means = [
        {"method": "lora", "name": "LoRA", "seeds": 2, "mean": 0.85, "low": 0.2, "high": 1.5},
        {"method": "full", "name": "Full", "seeds": 1, "mean": 0.9, "low": None, "high": None},
    ]
    figure = seeds_chart(runs, means)
    assert list(figure.data[0].x) == [0.8, 0.9]
    assert figure.data[1].error_x.array[0] == pytest.approx(0.65)
    assert figure.data[3].error_x.array[0] == 0
    assert "Several seeds" in seeds_chart(runs[:1], means[1:]).layout.annotations[0].text
