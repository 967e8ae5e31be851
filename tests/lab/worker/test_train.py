import pytest
import torch

from explorer.lab import datasets
from explorer.lab.job import TrainJob
from explorer.lab.runs import create_run
from explorer.lab.worker import train
from explorer.lab.worker.adapters import load_adapter
from explorer.lab.worker.shelf import probe
from explorer.lab.worker.train import Training
from explorer.methods import registry
from tests.lab.conftest import TASK
from tests.methods import contract

pytestmark = pytest.mark.usefixtures("runs_here")


@pytest.fixture(autouse=True)
def copy_task(tmp_path, monkeypatch, few_rows):
    """A task of four rows, in a data folder of its own."""
    folder = tmp_path / "data" / "tasks" / "copy"
    folder.mkdir(parents=True)
    (folder / "task.toml").write_text(TASK)
    text = "".join(row.model_dump_json() + "\n" for row in few_rows)
    (folder / "train.jsonl").write_text(text)
    (folder / "heldout.jsonl").write_text(text)
    for name in ("find_task", "task_rows"):
        whole = getattr(datasets, name)
        monkeypatch.setattr(
            train, name, lambda *given, whole=whole: whole(*given, tmp_path / "data")
        )


def new_run(tiny_base, **changes):
    values = {
        "base": tiny_base, "task": "copy", "method": "lora", "steps": 3, "batch_size": 2,
        "learning_rate": 1e-2, "max_length": 120, "max_new_tokens": 4, "precision": "float32",
        "knobs": {"r": 2}, "probe": False,
    }  # fmt: skip
    return create_run(TrainJob(**values | changes))


def carry_out(run, shelf):
    for _ in Training(run, shelf).go():
        pass
    return run


def kinds(run):
    return [event["kind"] for event in run.events()]


def test_a_run_tells_its_story_and_ends_with_a_result(tiny_base, shelf, loaded):
    run = carry_out(new_run(tiny_base), shelf)
    assert kinds(run)[-8:] == [
        "eval", "started", "step", "step", "step", "eval", "checkpoint", "done",
    ]  # fmt: skip
    result = run.result
    assert (result.state, result.steps_done, result.seed) == ("done", 3, 0)
    assert (result.metric, result.metric_base) == ("exact-match", 0.0)
    assert result.trainable == 2 * 2 * (2 * (64 + 64 + 64 + 32)) // 2
    assert result.total == loaded.model.num_parameters() + result.trainable
    assert result.peak_bytes == sum(result.memory.values())
    assert result.adapter_bytes > 0
    assert set(result.versions) >= {"torch", "peft", "transformers"}
    steps = [event for event in run.events() if event["kind"] == "step"]
    assert [step["step"] for step in steps] == [1, 2, 3]
    assert steps[-1]["loss"] == result.final_loss
    assert all(step["tokens_per_second"] > 0 and step["eta_seconds"] >= 0 for step in steps)
    load_adapter(loaded, run.adapter)


def test_forgetting_is_what_neutral_text_got_more_surprising_by(tiny_base, shelf):
    run = carry_out(new_run(tiny_base, probe=True), shelf)
    before, after = (event for event in run.events() if event["kind"] == "probe")
    assert (before["when"], after["when"]) == ("before", "after")
    assert run.result.forgetting == pytest.approx(after["loss"] - before["loss"])
    assert run.result.forgetting != 0
    assert 0 <= run.result.quiz_after <= 1
    again = carry_out(new_run(tiny_base, probe=True), shelf)
    assert "asking" not in str([event.get("what") for event in again.events()])


def test_the_base_is_asked_once_for_all_runs(tiny_base, shelf):
    first = carry_out(new_run(tiny_base, method="ia3", knobs={}), shelf)
    again = carry_out(new_run(tiny_base), shelf)
    assert "asking" not in str([e.get("what") for e in again.events()])
    before = [e for run in (first, again) for e in run.events() if e["kind"] == "eval"][::2]
    assert before[0]["heldout_loss"] == before[1]["heldout_loss"]


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("lora", {"knobs": {"r": 2, "lora_dropout": 0.2}}),
        ("qlora", {"knobs": {"r": 2}, "quantization": "nf4"}),
        ("llama-excitor", {"knobs": {"adapter_layers": 1}}),
        ("full", {"knobs": {}, "learning_rate": 1e-3}),
        ("full", {"knobs": {}, "learning_rate": 1e-3, "precision": "bfloat16"}),
    ],
)
def test_the_same_job_gives_the_same_losses(tiny_base, shelf, method, changes):
    """Others train in between: what they leave behind must not matter, not even full tuning's."""

    def losses(**given):
        run = carry_out(new_run(tiny_base, method=method, **changes | given), shelf)
        assert run.state().name == "done", run.state().reason
        result = run.result
        steps = [event["loss"] for event in run.events() if event["kind"] == "step"]
        return [*steps, result.heldout_loss_base, result.heldout_loss_after]

    first = losses()
    assert losses(seed=1) != pytest.approx(first, abs=1e-4)
    assert losses() == pytest.approx(first, abs=1e-6)


def test_gates_are_told_for_methods_that_have_them(tiny_base, shelf):
    run = carry_out(
        new_run(tiny_base, method="llama-adapter-v1", knobs={"adapter_layers": 1}), shelf
    )
    steps = [event for event in run.events() if event["kind"] == "step"]
    assert steps[-1]["gates"].keys() == {"1"}
    assert steps[-1]["gates"]["1"] > 0


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_a_quantized_base_trains(tiny_base, shelf, quantization):
    run = carry_out(new_run(tiny_base, method="qlora", quantization=quantization), shelf)
    assert run.state().name == "done", run.state()
    assert run.result.memory["base"] < 150_000


def test_a_stop_takes_effect_within_one_step_and_keeps_the_adapter(tiny_base, shelf, loaded):
    run = new_run(tiny_base, steps=50)
    for _ in Training(run, shelf).go():
        if kinds(run)[-1:] == ["step"]:
            run.ask_to_stop()
    assert run.state().name == "stopped"
    assert run.state().reason == "on request, after step 1"
    assert kinds(run).count("step") == 1
    load_adapter(loaded, run.adapter)


def test_a_stop_before_the_first_step_leaves_no_adapter(tiny_base, shelf):
    run = new_run(tiny_base)
    run.ask_to_stop()
    carry_out(run, shelf)
    assert run.state().name == "stopped"
    assert not run.adapter.exists()


def test_a_closed_worker_ends_its_run_as_stopped(tiny_base, shelf):
    run = new_run(tiny_base, steps=50)
    going = Training(run, shelf).go()
    while kinds(run)[-1:] != ["step"]:
        next(going)
    going.close()
    assert (run.state().name, run.state().reason) == (
        "stopped",
        "the program that ran it was closed",
    )


def test_divergence_fails_with_its_reason_and_keeps_the_last_good_adapter(
    tiny_base, shelf, loaded, monkeypatch
):
    whole = train.Trainer._backward

    def breaks_at_three(trainer, loss, told, step):
        return whole(trainer, loss, float("nan") if step == 3 else told, step)

    monkeypatch.setattr(train.Trainer, "_backward", breaks_at_three)
    run = carry_out(new_run(tiny_base, steps=5), shelf)
    assert run.state().name == "failed"
    assert run.state().reason.startswith("the loss became nan at step 3 with learning rate")
    assert (run.result.steps_done, run.result.diverged) == (2, True)
    weights = list(load_adapter(loaded, run.adapter).parameters())
    assert all(torch.isfinite(p).all() for p in weights)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"max_length": 1000}, "max_length = 1000 is more than the 512 positions"),
        ({"max_length": 40}, "Row 2 does not fit: it has"),
        ({"task": "coyp"}, "There is no task 'coyp'. Did you mean 'copy'?"),
        ({"base": "nowhere"}, "There is no base 'nowhere'"),
        ({"knobs": {"target_modules": ["q_prjo"]}}, "Did you mean 'q_proj'?"),
        ({"method": "full", "quantization": "nf4", "knobs": {}}, "does not train on a quantized"),
    ],
)
def test_a_job_that_cannot_be_done_fails_in_a_sentence(tiny_base, shelf, changes, reason):
    run = carry_out(new_run(tiny_base, **changes), shelf)
    assert (run.state().name, run.result.diverged) == ("failed", None)
    assert reason in run.state().reason


def test_what_is_sure_not_to_fit_is_refused_before_it_takes_the_machine_down(
    tiny_base, shelf, monkeypatch
):
    monkeypatch.setattr(train, "device_bytes", lambda device: 2**16)
    run = carry_out(new_run(tiny_base), shelf)
    assert (run.state().name, run.result.steps_done) == ("failed", 0)
    assert run.state().reason.startswith("Training is forecast to hold 0.0 GiB at its peak, and")
    assert "take a smaller batch" in run.state().reason
    assert not run.adapter.exists()


def test_what_nobody_foresaw_fails_with_its_name_and_a_trace_in_the_log(
    tiny_base, shelf, monkeypatch
):
    def broken(*given):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(train, "attach", broken)
    run = carry_out(new_run(tiny_base), shelf)
    assert run.state().reason == "ZeroDivisionError: by zero"
    assert "Traceback" in run.stderr.read_text()


def test_fewer_held_out_rows_are_asked_when_wanted(tiny_base, shelf):
    run = carry_out(new_run(tiny_base, heldout_rows=2), shelf)
    assert {event["rows"] for event in run.events() if event["kind"] == "eval"} == {2}


def test_held_out_rows_are_asked_in_between_when_wanted(tiny_base, shelf):
    run = carry_out(new_run(tiny_base, steps=4, evaluate_every=2), shelf)
    told = [(e["when"], e["step"]) for e in run.events() if e["kind"] == "eval"]
    assert told == [("before", 0), ("during", 2), ("after", 4)]


def test_the_base_stays_what_it_was_through_all_of_this(shelf):
    for loaded in shelf.loaded.values():
        assert torch.equal(probe(loaded.model), loaded.probed)


def of_kind(run, kind):
    return [event for event in run.events() if event["kind"] == kind]


def test_the_held_out_loss_is_watched_without_disturbing_the_run(tiny_base, shelf):
    plain = carry_out(new_run(tiny_base, steps=4), shelf)
    watched = carry_out(new_run(tiny_base, steps=4, watch_every=2), shelf)
    looks = of_kind(watched, "watch")
    assert [look["step"] for look in looks] == [2, 4]
    assert looks[-1]["loss"] == pytest.approx(watched.result.heldout_loss_after, abs=1e-4)
    losses = [[step["loss"] for step in of_kind(run, "step")] for run in (plain, watched)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_a_run_ends_when_it_no_longer_improves(tiny_base, shelf):
    run = carry_out(
        new_run(tiny_base, steps=40, watch_every=1, patience=2, learning_rate=1e-8), shelf
    )
    assert run.state().name == "done"
    assert run.result.steps_done == 3
    assert "after step 3: no better held-out loss than" in run.result.reason
    assert run.result.metric_after is not None


def test_a_run_of_a_given_time_decides_its_steps_and_keeps_to_it(tiny_base, shelf):
    run = carry_out(new_run(tiny_base, steps=100_000, seconds=5), shelf)
    (planned,) = of_kind(run, "planned")
    begun = of_kind(run, "started")[0]["time"]
    assert run.state().name == "done"
    assert 4 < run.result.steps_done <= planned["steps"] < 100_000
    assert 2 < of_kind(run, "done")[0]["time"] - begun < 7


def test_a_hopeless_run_is_given_up_and_its_rivals_are_not(tiny_base, shelf):
    rivals = {"race": "r", "prune": True, "steps": 12, "warmup_steps": 0}
    rates = [1e-2, 1e-2, 1e-8]
    runs = [carry_out(new_run(tiny_base, learning_rate=rate, **rivals), shelf) for rate in rates]
    assert [run.state().name for run in runs] == ["done", "done", "stopped"]
    assert "given up after step 10: its best loss" in runs[2].result.reason
    assert runs[2].adapter.exists()


@pytest.mark.filterwarnings("ignore")  # peft's own, as in the contract of the methods
@pytest.mark.parametrize("method", registry.names())
def test_every_method_goes_all_the_way(tiny_base, shelf, method):
    knobs = contract.TINY.get(method, {})
    run = carry_out(new_run(tiny_base, method=method, knobs=knobs, steps=2), shelf)
    assert run.state().name == "done", run.state().reason
    assert run.result.steps_done == 2
