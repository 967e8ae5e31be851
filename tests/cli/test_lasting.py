import argparse

import pytest

from explorer.cli import race, sweep, train
from explorer.lab.race import DURATIONS
from tests.cli.asking import refused, run_json
from tests.lab.conftest import runs_here, tiny_base  # noqa: F401  # fixtures

pytestmark = pytest.mark.usefixtures("runs_here")
TRAIN = ["--task", "order-extraction", "--method", "lora"]


def job(*words):
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    return train.jobs_from(parser.parse_args([*TRAIN, *words]))[0]


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ([], {"steps": 32, "seconds": None, "patience": None}),
        (["--steps", "9"], {"steps": 9, "watch_every": 2}),
        (["--for", "minute"], {"seconds": 60, "steps": 5_000}),
        (["--for", "five-minutes", "--steps", "70"], {"seconds": 300, "steps": 70}),
        (["--for", "plateau"], {"patience": 3, "watch_every": 10, "schedule": "constant"}),
        (["--for", "plateau", "--patience", "2", "--watch-every", "5"],
         {"patience": 2, "watch_every": 5}),
        # Without a number of steps it is the time that decides, not the task's 32.
        (["--seconds", "90"], {"seconds": 90, "steps": 20_000}),
        (["--seconds", "90", "--steps", "12"], {"seconds": 90, "steps": 12}),
    ],
)  # fmt: skip
def test_train_takes_the_durations_of_the_page(words, settings):
    found = job(*words).model_dump()
    assert {name: found[name] for name in settings} == settings


@pytest.mark.parametrize("command", [train, race, sweep])
def test_every_duration_of_the_page_is_one_of_the_command_line(command):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    (action,) = (a for a in parser._actions if a.dest == "duration")
    assert action.metavar.split("|") == list(DURATIONS)
    assert action.default == "steps"


def test_train_stops_when_it_no_longer_improves(capsys, monkeypatch, tiny_base):  # noqa: F811
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    options = ["--base", tiny_base, "--batch-size", "2", "--max-length", "400", "--for", "plateau"]
    options += ["--watch-every", "2", "--patience", "1", "--learning-rate", "1e-8"]
    (record,) = run_json(capsys, "train", *TRAIN, *options)
    assert record["state"] == "done"
    assert record["steps_done"] == 4  # two looks, the second no better than the first
    assert record["reason"].startswith("after step 4: no better held-out loss than")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", *TRAIN, "--for", "minutes"], "Did you mean 'minute'?"),
        (["train", *TRAIN, "--seconds", "0"], "seconds = 0.0: it takes a number of at least 5"),
        (["train", *TRAIN, "--seconds", "1e9"], "and at most 86400"),
        (["train", *TRAIN, "--patience", "2", "--watch-every", "0"], "watch_every = 0"),
        (["sweep", "r=2|8", "--for", "fortnight"], "There is no duration 'fortnight'"),
    ],
)
def test_a_duration_that_cannot_be_is_one_sentence(capsys, runs_here, words, sentence):  # noqa: F811
    assert sentence in refused(capsys, *words)
    assert not runs_here.exists()
