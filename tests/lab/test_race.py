import pytest

from explorer.catalogue.errors import ExplorerError
from explorer.lab.race import (
    beats_base,
    default_methods,
    make_race,
    over_seeds,
    race_record,
    student_t,
)
from explorer.lab.runs import Result, create_run
from tests.lab.catalogue import lab_catalogue

SURVEY = {"lora", "qlora", "llama-adapter-v1", "llama-adapter-v2", "llama-excitor"}


def test_the_default_race_is_the_survey_and_full_fine_tuning_on_equal_terms():
    catalogue = lab_catalogue()
    jobs = make_race(catalogue)
    assert set(default_methods(catalogue)) == SURVEY | {"full"}
    assert [job.method for job in jobs] == list(default_methods(catalogue))
    for name in ("task", "steps", "batch_size", "seed", "race", "max_length", "schedule", "system"):
        assert len({getattr(job, name) for job in jobs}) == 1, name
    rates = {job.method: job.learning_rate for job in jobs}
    assert rates == {m: catalogue.methods[m].lab.learning_rate for m in rates}


def test_several_seeds_run_every_method_and_settings_reach_the_right_one():
    jobs = make_race(
        lab_catalogue(), "number-words", ["lora", "full"], [0, 1], {"lora": {"r": "16"}}, steps=4
    )
    assert [(job.method, job.seed) for job in jobs] == [
        ("lora", 0), ("full", 0), ("lora", 1), ("full", 1),
    ]  # fmt: skip
    assert jobs[0].knobs["r"] == 16
    assert {job.steps for job in jobs} == {4}


def test_a_learning_rate_is_each_methods_own_one_for_all_or_one_for_a_method():
    def rates(**given):
        jobs = make_race(lab_catalogue(), methods=["lora", "ia3"], **given)
        return [job.learning_rate for job in jobs]

    own = [lab_catalogue().method(name).lab.learning_rate for name in ("lora", "ia3")]
    assert rates() == own
    assert rates(learning_rate=0.5) == [0.5, 0.5]
    assert rates(knobs={"ia3": {"learning_rate": "0.25"}}) == [own[0], 0.25]
    assert rates(knobs={"ia3": {"learning_rate": "0.25"}}, learning_rate=0.5) == [0.5, 0.25]
    with pytest.raises(ExplorerError, match="learning_rate = '0': it takes a number of at least"):
        rates(knobs={"ia3": {"learning_rate": "0"}})


def test_a_race_with_too_many_runs_is_refused():
    with pytest.raises(ExplorerError, match=r"2 methods with 40 seeds are 80 runs: .* at most 64"):
        make_race(lab_catalogue(), methods=["lora", "full"], seeds=range(40))


def test_a_record_holds_forecast_beside_measurement(runs_here):
    job = make_race(lab_catalogue(), methods=["lora"])[0]
    run = create_run(job)
    assert race_record(run)["metric"] is None
    measured = {
        "metric": "exact-match", "metric_base": 0.0, "metric_after": 0.9, "interval": (0.8, 0.95),
        "peak_bytes": 1000, "forecast": {"bytes": 1050, "trainable": 7}, "trainable": 7,
        "forgetting": 0.1, "seconds": 3.0,
    }  # fmt: skip
    run.finish(Result.of(job, "done", "").model_copy(update=measured))
    record = race_record(run)
    for name in ("method", "trainable", "metric", "metric_base", "forgetting", "seconds"):
        assert record[name] is not None, name
    assert (record["peak_bytes"], record["forecast_bytes"]) == (1000, 1050)
    assert record["forecast_error"] == pytest.approx(0.05)
    assert record["beats_base"] is True


def test_a_method_beats_the_base_only_by_more_than_its_interval():
    assert beats_base(0.3, 0.4, (0.31, 0.49))
    assert not beats_base(0.3, 0.4, (0.29, 0.51))
    assert not beats_base(0.0, 0.025, (0.004, 0.129))  # one of forty
    assert beats_base(None, 0.3, (0.2, 0.3)) is None
    assert beats_base(0.1, None, None) is None


def test_seeds_are_averaged_with_an_interval():
    records = [{"method": "a", "metric": m} for m in (0.8, 0.9, 1.0)]
    records += [{"method": "b", "metric": 0.5}, {"method": "c", "metric": None}]
    first, second = over_seeds(records)
    assert (first["method"], first["seeds"]) == ("a", 3)
    assert first["mean"] == pytest.approx(0.9)
    # t(2) = 4.3027, standard deviation 0.1, over the root of three
    assert first["high"] - first["mean"] == pytest.approx(0.2484, abs=1e-4)
    assert second == {"method": "b", "seeds": 1, "mean": 0.5, "low": None, "high": None}


@pytest.mark.parametrize(
    ("degrees", "value"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (9, 2.262), (30, 2.042)],
)
def test_student_t_is_that_of_the_tables(degrees, value):
    assert student_t(degrees) == pytest.approx(value, abs=0.012 if degrees == 3 else 0.004)
