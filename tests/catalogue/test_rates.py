import pytest

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.load import DataFileError
from explorer.catalogue.rates import (
    RateRun,
    best_rate,
    load_rate_runs,
    load_rate_sweep,
    mean_losses,
    read_rate_runs,
)

HEAD = "method,task,learning_rate,centre,steps,seed,heldout_loss,metric,diverged,seconds\n"
LORA = "lora,order-extraction,0.002,0.002,32,0,0.04,0.9,false,9.5\n"
WITHIN = 1.10  # of the best rate's held-out loss


def run(rate, loss, task="order-extraction", method="lora"):
    return RateRun(
        method=method, task=task, learning_rate=rate, centre=0.01, steps=4, seed=0,
        heldout_loss=loss, diverged=loss is None, seconds=1.0,
    )  # fmt: skip


def read(tmp_path, text):
    path = tmp_path / "runs.csv"
    path.write_text(text)
    return read_rate_runs(path, load_catalogue())


def test_runs_are_read_and_empty_cells_are_what_was_not_reached(tmp_path):
    lost = "ia3,order-extraction,0.3,0.03,32,0,,,true,2.0\n"
    first, second = read(tmp_path, HEAD + LORA + lost)
    assert (first.learning_rate, first.heldout_loss, first.diverged) == (0.002, 0.04, False)
    assert (second.heldout_loss, second.metric, second.diverged) == (None, None, True)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (LORA.replace("lora", "lorra"), r"runs.csv:2: There is no method 'lorra'.*'lora'"),
        (LORA.replace("order-ext", "ordr-ext"), r"runs.csv:2: There is no task"),
        (LORA.replace("0.002,0", "2,0"), r"learning_rate = '2'"),
        (LORA.replace("0.04", ""), "either diverged or has a heldout_loss"),
        (LORA.replace("false", "true"), "either diverged or has a heldout_loss"),
        (LORA + LORA, r"runs.csv:3: lora at 0.002 stands twice"),
    ],
)
def test_a_faulty_row_is_told_with_its_line(tmp_path, line, sentence):
    with pytest.raises(DataFileError, match=sentence):
        read(tmp_path, HEAD + line)


def test_the_mean_over_tasks_is_one_of_shares():
    runs = [
        run(0.1, 1.0),
        run(0.1, 0.01, "word-orders"),
        run(0.3, 0.5),
        run(0.3, 0.5, "word-orders"),
    ]
    assert mean_losses(runs) == pytest.approx({0.1: 0.1, 0.3: 0.5})
    assert best_rate(runs) == 0.1


def test_a_rate_that_diverged_or_missed_a_task_has_no_mean():
    runs = [run(0.1, 1.0), run(0.1, None, "word-orders"), run(0.3, 0.5), run(0.9, None)]
    assert mean_losses(runs) == {}
    assert best_rate(runs) is None
    assert best_rate([run(0.1, None), run(0.3, 2.0)]) == 0.3


SWEPT = sorted({found.method for found in load_rate_runs()})


@pytest.mark.parametrize("name", SWEPT)
def test_the_default_rate_is_the_best_that_was_swept_or_says_why_not(name):
    lab = load_catalogue().method(name).lab
    losses = mean_losses([found for found in load_rate_runs() if found.method == name])
    assert lab.learning_rate in losses, "the default was not among the rates"
    best = losses[lab.learning_rate] <= WITHIN * min(losses.values())
    assert best == (lab.kept is None)


def test_what_was_swept_has_enough_rates_and_says_so_and_what_was_not_does_not():
    catalogue = load_catalogue()
    for method in catalogue.methods.values():
        tried = {found.learning_rate for found in load_rate_runs() if found.method == method.id}
        told = method.lab is not None and any("learning-rates" in e for e in method.lab.source)
        assert told == bool(tried), method.id
        if tried:
            assert len(tried) >= (5 if method.survey or method.id == "full" else 3), method.id


def test_the_head_says_where_and_when():
    head = load_rate_sweep()
    assert head.base == "smollm2-135m-instruct"
    assert set(head.versions) >= {"torch", "peft", "transformers"}
