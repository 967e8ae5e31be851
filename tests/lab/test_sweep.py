import pytest

from explorer.catalogue.errors import ExplorerError
from explorer.lab.sweep import make_sweep, read_axes, setting, varying
from tests.lab.catalogue import lab_catalogue

TASK = "order-extraction"


def sweep(text, **given):
    return make_sweep(lab_catalogue(), TASK, "lora", read_axes(text), **given)


def test_every_combination_is_a_run_of_one_job():
    jobs = sweep("r=4|8; learning_rate=0.001|0.002", steps=5)
    assert [(job.knobs["r"], job.learning_rate) for job in jobs] == [
        (4, 0.001), (4, 0.002), (8, 0.001), (8, 0.002),
    ]  # fmt: skip
    assert len({job.race for job in jobs}) == 1
    assert all(job.race and job.prune and job.steps == 5 for job in jobs)
    assert jobs[0].label == "r 4, learning_rate 0.001"
    assert varying(jobs) == ["r", "learning_rate"]
    assert setting(jobs[3], "r") == 8


def test_lists_of_sites_are_values_too():
    jobs = sweep("target_modules=q_proj|q_proj,v_proj", prune=False)
    assert [tuple(job.knobs["target_modules"]) for job in jobs] == [
        ("q_proj",), ("q_proj", "v_proj"),
    ]  # fmt: skip
    assert not any(job.prune for job in jobs)


def test_steps_are_numbers_as_in_any_other_run():
    jobs = sweep("steps=10|20", patience=2)
    assert [(job.steps, job.watch_every) for job in jobs] == [(10, 2), (20, 5)]


def test_runs_of_several_methods_do_not_vary_in_a_setting():
    jobs = [*sweep("r=4|8"), *make_sweep(lab_catalogue(), TASK, "qlora", {"r": ("4", "8")})]
    assert varying(jobs) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "needs a setting to vary"),
        ("r", "not of the form setting=value"),
        ("r=4|", "not of the form"),
        ("r=8", "r has one value, '8': a sweep needs two or more"),
        ("rnk=4|8", "no setting 'rnk'"),
        ("r=4|0", "r = 0"),
        ("learning_rate=0.1|nan", "learning_rate"),
        ("r=4|8; r=16|32", "r is named twice"),
        ("learning_rate=0.001|0.01|1e-3", "learning_rate: 0.001 and 1e-3 are the same value"),
        ("use_dora=true|yes", "use_dora: true and yes are the same value"),
        ("r=8|08", "r: 8 and 08 are the same value"),
        ("steps=10|1e1", "steps = '1e1': it takes a whole number"),
        ("steps=5|1000000000", "steps = .*1000000000.* at most 100000"),
        ("r=1|2; lora_alpha=1|2; lora_dropout=0|0.1", "3 settings at once"),
        ("r=1|2|3|4|5|6|7|8|9; lora_alpha=1|2|3|4|5|6|7|8", "72 combinations: .* at most 64"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_runs(text, words):
    with pytest.raises(ExplorerError, match=words):
        sweep(text)


@pytest.mark.parametrize("text", ["1.0", "1e0", "1.5", "x"])
def test_a_whole_number_is_written_as_one(text):
    with pytest.raises(ExplorerError, match=f"batch_size = '{text}': it takes a whole number"):
        sweep(f"batch_size=1|{text}")
