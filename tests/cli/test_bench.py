"""`explorer bench`: measurements are found by their modules and run in a process of their own."""

import json
import subprocess

import pytest

from explorer.cli import bench, run


@pytest.fixture
def measured(monkeypatch):
    """Stand in for the worker's process: what it was started with, and what it prints."""
    started = []

    def start(command, **settings):
        started.append(command)
        told = {"base": "tiny", "methods": {"lora": {"ratio": 1.0, "seconds": 0.5}}}
        return subprocess.CompletedProcess(command, 0, "progress\n" + json.dumps(told) + "\n")

    monkeypatch.setattr(bench.subprocess, "run", start)
    return started


def test_the_measurement_of_methods_is_found_without_importing_it():
    assert "methods" in bench.measurements()


def test_json_after_the_name_is_the_commands_own_and_the_rest_is_passed_on(measured, capsys):
    assert run(["bench", "methods", "--rounds", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["methods"]["lora"]["ratio"] == 1.0
    assert measured[0][1:] == ["-m", "explorer.lab.worker.bench_methods", "--rounds", "2"]


def test_without_json_the_result_is_a_table(measured, capsys):
    assert run(["bench", "methods"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "base: tiny", "", "methods  ratio  seconds", "lora     1.0    0.5",
    ]  # fmt: skip


def test_an_unknown_measurement_is_answered_with_the_nearest(capsys):
    assert run(["bench", "method"]) == 2
    assert "no measurement 'method'. Did you mean 'methods'?" in capsys.readouterr().err


def test_a_measurement_that_fails_is_said_to_have_failed(monkeypatch, capsys):
    monkeypatch.setattr(
        bench.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1, "")
    )
    assert run(["bench", "methods"]) == 2
    assert "The measurement 'methods' failed" in capsys.readouterr().err
