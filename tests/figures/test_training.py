"""Training curves: what is drawn of which events."""

import pytest

from explorer.figures.training import LABELS, Curve, training_curves


def step(number, loss, **more):
    return {
        "kind": "step",
        "step": number,
        "loss": loss,
        "learning_rate": 1e-3,
        "gradient_norm": 1.0,
        "tokens_per_second": 100.0,
        "memory_bytes": 2**21,
        "gates": {},
        **more,
    }


def held_out(number, loss):
    return {"kind": "eval", "step": number, "heldout_loss": loss, "value": 0.5}


def watched(number, loss):
    return {"kind": "watch", "step": number, "loss": loss}


LORA = Curve("LoRA", "lora", [held_out(0, 3.0), step(1, 2.0), step(2, 1.0), held_out(2, 1.2)])
GATED = Curve("V1", "llama-adapter-v1", [step(1, 2.0, gates={"2": 0.1, "3": 0.3})])


def test_a_line_a_run_and_open_marks_for_the_held_out_loss():
    figure = training_curves([LORA, GATED])
    assert figure.layout.title.text.endswith("(open marks: held out)")
    names = [trace.name for trace in figure.data]
    assert names == ["LoRA", "LoRA, held out", "V1", "V1, held out"]
    assert list(figure.data[0].y) == [2.0, 1.0]
    assert list(figure.data[1].y) == [3.0, 1.2]
    assert figure.data[1].marker.symbol.endswith("-open")


def test_gates_are_averaged_and_runs_without_any_have_no_points():
    figure = training_curves([LORA, GATED], "gates")
    assert list(figure.data[0].x) == []
    assert list(figure.data[1].y) == [pytest.approx(0.2)]


def test_memory_is_in_mebibytes():
    assert list(training_curves([LORA], "memory_bytes").data[0].y) == [2.0, 2.0]


def test_before_the_first_step_the_figure_says_so():
    figure = training_curves([Curve("LoRA", "lora", [])])
    assert figure.layout.annotations[0].text == "No step has been taken yet."


def test_two_runs_of_one_method_are_told_apart():
    other = Curve("LoRA, seed 1", "lora", LORA.events)
    lines = [t.line for t in training_curves([LORA, other]).data if t.line.color]
    assert len({(line.color, line.dash) for line in lines}) == 2


@pytest.mark.parametrize("quantity", LABELS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_quantity_is_drawn_in_both_themes(quantity, theme):
    assert training_curves([LORA, GATED], quantity, theme).layout.title.text


def test_held_out_losses_are_those_of_looks_and_of_evaluations():
    events = [held_out(0, 3.0), watched(1, 2.0), watched(2, 1.5), held_out(2, 1.2)]
    line = training_curves([Curve("LoRA", "lora", events)], "heldout").data[0]
    assert (list(line.x), list(line.y)) == ([0, 1, 2], [3.0, 2.0, 1.2])
