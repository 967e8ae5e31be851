import itertools

import pytest

from explorer.catalogue.errors import ExplorerError, UnknownNameError
from explorer.lab.bases import find_base
from explorer.lab.datasets import find_task
from explorer.lab.job import TrainJob, checked_job, make_job
from tests.lab.catalogue import lab_catalogue

JOB = {"task": "order-extraction", "method": "lora", "steps": 20, "learning_rate": 1e-2}


def test_the_rate_warms_up_then_falls_linearly_to_a_tenth():
    job = TrainJob(**JOB, warmup_steps=4)
    rates = [job.rate_at(step) for step in range(1, 21)]
    assert rates[:4] == pytest.approx([0.0025, 0.005, 0.0075, 0.01])
    assert rates[4] == pytest.approx(0.01)
    assert rates[-1] == pytest.approx(0.001)
    falls = [a - b for a, b in itertools.pairwise(rates[4:])]
    assert falls == pytest.approx([falls[0]] * len(falls))


def test_the_cosine_is_halfway_in_the_middle_and_constant_stays():
    job = TrainJob(**JOB | {"steps": 21}, warmup_steps=0, schedule="cosine", final_rate_fraction=0)
    assert job.rate_at(11) == pytest.approx(0.005)
    assert job.rate_at(21) == pytest.approx(0)
    constant = TrainJob(**JOB, warmup_steps=0, schedule="constant")
    assert {constant.rate_at(step) for step in range(1, 21)} == {0.01}


@pytest.mark.parametrize("steps", [1, 2, 8, 9, 10])
def test_a_run_as_short_as_its_warm_up_has_a_rate_at_every_step(steps):
    job = TrainJob(**JOB | {"steps": steps})
    assert all(0 < job.rate_at(step) <= 0.01 for step in range(1, steps + 1))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"steps": 0}, r"steps = 0: it takes a whole number of at least 1 and at most 100000"),
        ({"steps": 10**9}, r"steps = 1000000000: it takes"),
        ({"learning_rate": 0.0}, r"learning_rate = 0\.0: it takes a number of at least 1e-08"),
        ({"learning_rate": 1e9}, r"learning_rate = 1000000000\.0: .* at most 1"),
        ({"learning_rate": float("nan")}, r"learning_rate = nan: it takes a number"),
        ({"batch_size": 0}, r"batch_size = 0"),
        ({"quantization": "int3"}, r"quantization = 'int3': it takes one of none, int8, nf4"),
        ({"stepps": 3}, r"no setting 'stepps'\. Did you mean 'steps'"),
        ({"seed": -1}, r"seed = -1: it takes a whole number of at least 0"),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_range(change, sentence):
    with pytest.raises(ExplorerError, match=sentence):
        checked_job(**JOB | change)


def test_what_is_not_given_comes_from_task_and_method():
    catalogue = lab_catalogue()
    task, method = find_task("order-extraction"), catalogue.method("qlora")
    job = make_job(catalogue, "order-extraction", "qlora", {"lora_alpha": "32"}, seed=3)
    assert (job.steps, job.batch_size, job.system) == (task.steps, task.batch_size, task.system)
    assert (job.quantization, job.double_quantization) == ("nf4", True)
    assert job.learning_rate == method.lab.learning_rate
    assert job.knobs["lora_alpha"] == 32
    assert job.knobs["r"] == method.lab.knobs["r"]
    assert job.seed == 3


def test_given_values_win_over_defaults():
    job = make_job(lab_catalogue(), "order-extraction", "lora", steps=7, learning_rate=0.5)
    assert (job.steps, job.learning_rate) == (7, 0.5)


@pytest.mark.parametrize(
    ("task", "method", "knobs", "sentence"),
    [
        ("order-extractoin", "lora", {}, "Did you mean 'order-extraction'"),
        ("order-extraction", "lorra", {}, "Did you mean 'lora'"),
        ("order-extraction", "lora", {"rank": 3}, "no knob 'rank'"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(task, method, knobs, sentence):
    with pytest.raises(UnknownNameError, match=sentence):
        make_job(lab_catalogue(), task, method, knobs)


def test_a_method_that_cannot_train_on_a_quantized_base_says_why():
    with pytest.raises(ExplorerError, match="does not train on a quantized base"):
        make_job(lab_catalogue(), "order-extraction", "full", quantization="nf4")


@pytest.mark.parametrize(
    ("method", "knobs", "sentence"),
    [
        ("llama-adapter-v1", {"adapter_layers": 999}, "adapter_layers = 999: .* from 1 to 2, the"),
        ("llama-adapter-v2", {"adapter_layers": 3}, "adapter_layers = 3: it takes"),
        ("llama-adapter-v2", {"visual_tokens": 1, "visual_layers": 3}, "visual_layers = 3"),
        ("llama-excitor", {"adapter_layers": 3}, "the number of layers of this model"),
        ("lora", {"layers_to_transform": "0,7"}, "layer 7; layers run from 0 to 1"),
        ("boft", {"boft_block_size": 7}, "boft_block_size = 7 does not divide the width 64"),
        ("psoft", {"r": 65}, "r is at most the smaller"),
        ("glora", {"config_A_B": "none"}, "has nothing to train on this model"),
        ("trainable-tokens", {"token_indices": "1,99999"}, "vocabulary of this model runs from 0"),
    ],
)
def test_what_the_bases_shape_forbids_is_refused_before_it_is_queued(
    tiny_base, method, knobs, sentence
):
    with pytest.raises(ExplorerError, match=sentence):
        make_job(lab_catalogue(), "order-extraction", method, knobs, base=tiny_base)


def test_what_only_another_base_would_mend_is_refused_with_the_bases_name(tiny_base):
    given = {"base": tiny_base, "quantization": "nf4"}
    knobs = {"init_lora_weights": "pissa"}
    with pytest.raises(ExplorerError, match=r"LoRA does not run on .*floating point"):
        make_job(lab_catalogue(), "order-extraction", "lora", knobs, **given)


def test_a_row_longer_than_the_base_was_trained_for_is_refused(tiny_base):
    with pytest.raises(ExplorerError, match="max_length = 513 is more than the 512 positions"):
        make_job(lab_catalogue(), "order-extraction", "lora", base=tiny_base, max_length=513)


def test_a_base_whose_shape_is_not_known_yet_is_left_to_the_run(tmp_path):
    knobs = {"adapter_layers": 999}
    job = make_job(
        lab_catalogue(), "order-extraction", "llama-adapter-v1", knobs, base=str(tmp_path)
    )
    assert job.knobs["adapter_layers"] == 999


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"steps": True}, "steps = True: it takes a whole number"),
        ({"learning_rate": True}, "learning_rate = True: it takes a number"),
        ({"system": "\ud800"}, "system = "),
        ({"system": "x" * 20_001}, "system = .* at most 20000"),
    ],
)
def test_what_only_looks_like_a_value_is_refused(change, sentence):
    with pytest.raises(ExplorerError, match=sentence):
        checked_job(**JOB | change)


@pytest.mark.parametrize(
    ("task", "method", "base"),
    [(5, "lora", None), (None, "lora", None), ("ship-log", 5, None), ("ship-log", "lora", 5)],
)
def test_a_name_that_is_no_text_is_refused(task, method, base):
    with pytest.raises(ExplorerError, match=r"(task|method|base) = \w+: it takes a name"):
        make_job(lab_catalogue(), task, method, base=base)


@pytest.mark.parametrize("name", ["x" * 5000, "/" + "x" * 5000, "\0", "/tmp/\0", "", " ", "\ud800"])
def test_a_base_that_cannot_be_a_name_is_unknown(name):
    with pytest.raises(UnknownNameError):
        find_base(name, allow_paths=True)
