from types import SimpleNamespace

import gradio as gr
import pytest

from explorer.lab.eta import Wait
from explorer.lab.job import TrainJob
from explorer.lab.runs import Result, create_run
from explorer.ui import race
from explorer.ui.lab.charts import CHARTS, draw
from explorer.ui.lab.folds import open_if_set
from explorer.ui.lab.memory import forecast_parts, memory_table
from tests.lab.catalogue import lab_catalogue
from tests.lab.conftest import runs_here  # noqa: F401  # fixture

pytestmark = pytest.mark.usefixtures("runs_here")

FORECAST = {
    "trainable": 10, "bytes": 1000 << 20,
    "terms": {
        "weights": 300 << 20, "adapter": 10 << 20, "gradients": 10 << 20, "optimizer": 20 << 20,
        "master_copies": 0, "activations": 700 << 20,
    },
}  # fmt: skip
MEMORY = {
    "base": 300 << 20, "trainable": 10 << 20, "gradients": 10 << 20, "optimizer": 20 << 20,
    "master_copies": 0, "activations": 650 << 20,
}  # fmt: skip


def entry(method="lora", state="done", **measured):
    run = create_run(TrainJob(task="order-extraction", method=method, steps=5, learning_rate=1e-3))
    if state:
        run.finish(Result.of(run.job, state, "").model_copy(update=measured))
    return race.Entry.read(run)


def test_forecast_terms_add_up_to_the_forecast_peak():
    parts = forecast_parts(FORECAST)
    assert sum(parts.values()) == FORECAST["bytes"]
    assert parts["base"] == 300 << 20
    own = FORECAST | {"terms": FORECAST["terms"] | {"adapter": 0, "gradients": 300 << 20}}
    assert forecast_parts(own)["base"] == 0
    assert forecast_parts(own)["trainable"] == 300 << 20


def test_memory_stands_measured_over_forecast():
    done = entry(peak_bytes=990 << 20, memory=MEMORY, forecast=FORECAST)
    text = memory_table(lab_catalogue(), [done])
    assert "990.0" in text
    assert "1,000.0" in text
    assert memory_table(lab_catalogue(), [entry()]) == ""


def test_the_headline_says_what_waits_and_when_all_is_done():
    waiting = entry(state="")
    queue = [Wait("another", 0, 30), Wait(waiting.run.id, 1, 90)]
    assert (
        race.headline([waiting], queue)
        == "1 waiting, 1 ahead in the queue; all done in about 1 min 30 s."
    )
    assert race.headline([entry()]) == "1 done."


def test_a_method_that_does_not_beat_the_base_says_so():
    done = entry()
    scores = {"before": (0.5, 0.4, 0.6), "after": (0.55, 0.45, 0.65)}
    events = [
        {"kind": "eval", "when": when, "value": value, "low": low, "high": high}
        for when, (value, low, high) in scores.items()
    ]
    shown = race.table(lab_catalogue(), [race.Entry(done.run, done.state, events, done.result)])
    assert "0.50 → 0.55" in shown
    assert "base not beaten" in shown
    assert "its 95 % interval" in shown


@pytest.mark.parametrize("chart", [name for _, name in CHARTS])
def test_every_chart_draws_runs_that_are_not_done(chart):
    entries = [entry(state=""), entry("full", "failed")]
    for given in (entries, []):
        figure = draw(lab_catalogue(), given, chart, "trainable", None, "dark")
        assert figure.layout.annotations[0].text


def test_a_fold_opens_when_a_link_has_set_something_in_it():
    with gr.Blocks() as app:
        times, find, picked = (
            gr.State(0),
            gr.Textbox(""),
            gr.Dropdown([], multiselect=True, value=[]),
        )
        fold = gr.Accordion(open=False)
        open_if_set(SimpleNamespace(visited=times), fold, [find, picked])
    (opened,) = [fn.fn for fn in app.fns.values() if fn.outputs == [fold]]
    assert opened("", []) == gr.skip()
    assert opened("lora", []).open
    assert opened("", ["20261130-081501-703223-2090e0f9"]).open
