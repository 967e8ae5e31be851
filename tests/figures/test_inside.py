import pytest

from explorer.figures import inside
from explorer.figures.quantization_bench import error_by_block, levels_on_weights
from explorer.figures.sweep import heat_map

CHANGES = [
    {"layer": layer, "site": site, "relative": layer + place / 10, "singular": (3.0 + layer, 1.0)}
    for layer in (0, 1)
    for place, site in enumerate(("v_proj", "q_proj"))
]


def test_changes_are_layers_across_and_sites_in_the_models_order():
    heat = inside.change_map(CHANGES).data[0]
    assert list(heat.x) == [0, 1]
    assert list(heat.y) == ["q_proj", "v_proj"]
    assert [list(row) for row in heat.z] == [[0.1, 1.1], [0.0, 1.0]]


def test_singular_values_are_means_over_the_layers():
    line = inside.singular_values(CHANGES).data[0]
    assert (line.name, list(line.y)) == ("q_proj", [3.5, 1.0])


def test_gates_get_a_line_a_layer():
    steps = [{"step": n, "gates": {"10": n / 10, "9": 0.5}} for n in (1, 2)]
    lines = inside.gate_paths(steps).data
    assert [line.name for line in lines] == ["layer 9", "layer 10"]
    assert list(lines[1].y) == [0.1, 0.2]


def test_prompts_share_the_mass_of_their_layer():
    heat = inside.prompt_map([{"layer": 4, "mass": 0.4, "by_prompt": (0.75, 0.25)}]).data[0]
    assert [row[0] for row in heat.z] == pytest.approx([0.3, 0.1])


def test_moved_layers_are_bars():
    bars = inside.moved_layers([{"layer": 0, "relative": 0.0}, {"layer": 1, "relative": 0.2}]).data[
        0
    ]
    assert list(bars.y) == [0.0, 0.2]


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (inside.change_map, "changes no weight"),
        (inside.singular_values, "no B A"),
        (inside.gate_paths, "no gates"),
        (inside.prompt_map, "no prompts"),
        (inside.moved_layers, "Nothing was measured"),
    ],
)
def test_what_a_method_has_not_is_said(draw, words):
    assert words in draw([]).layout.annotations[0].text


def cell(rank, rate, metric, state="done"):
    return {"settings": {"r": rank, "learning_rate": rate}, "metric": metric, "state": state}


def test_a_sweep_is_a_map_in_the_order_of_its_numbers():
    runs = [cell(8, 0.01, 0.5), cell(16, 0.01, 0.9), cell(8, 0.1, None, "stopped")]
    heat = heat_map(runs, ["r", "learning_rate"]).data[0]
    assert list(heat.x) == ["8", "16"]
    assert list(heat.y) == ["0.01", "0.1"]
    assert [list(row) for row in heat.z] == [[0.5, 0.9], [None, None]]
    assert [list(row) for row in heat.text] == [["0.5", "0.9"], ["stopped", ""]]


def test_a_sweep_of_one_setting_is_one_row_and_none_is_said():
    alone = heat_map([cell(8, 1, 0.5), cell(4, 1, 0.1)], ["r"]).data[0]
    assert len(alone.z) == 1
    assert all(alone.y), "plotly draws no row that has no name"
    assert "do not differ" in heat_map([], []).layout.annotations[0].text


def test_levels_stand_below_the_weights_and_errors_by_block():
    figure = levels_on_weights([0.25, 0.75], {"nf4": [-1, 1], "int4": [0, 1]})
    assert list(figure.data[0].x) == [-0.5, 0.5]
    assert [trace.name for trace in figure.data[1:]] == ["NF4", "int4"]
    errors = [
        {"kind": "nf4", "block": block, "double": double, "error": block / 1000, "bits": 4.5}
        for block in (64, 128)
        for double in (False, True)
    ]
    lines = error_by_block(errors).data
    assert [line.name for line in lines] == ["NF4", "NF4, double"]
    assert list(lines[0].y) == [0.064, 0.128]
