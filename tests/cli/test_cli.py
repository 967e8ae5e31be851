"""The command line as a whole: unknown commands, help, exit codes."""

import json
import subprocess
import sys

import pytest

from explorer import cli
from explorer.catalogue.errors import ExplorerError


def explorer(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "explorer", *arguments], capture_output=True, text=True, check=False
    )


def test_an_unknown_command_suggests_the_nearest_and_exits_with_2(capsys):
    assert cli.run(["modles"]) == cli.USAGE_ERROR
    said = capsys.readouterr()
    assert "Did you mean 'models'?" in said.err
    assert said.out == ""


def test_help_lists_every_command_with_what_it_is_for(capsys):
    assert cli.run(["--help"]) == 0
    told = capsys.readouterr().out
    for name in cli.commands():
        assert name in told


def test_no_command_prints_the_overview_and_exits_with_2():
    done = explorer()
    assert done.returncode == cli.USAGE_ERROR
    assert "usage: python -m explorer COMMAND" in done.stdout


@pytest.mark.parametrize("name", cli.commands())
def test_every_command_has_help_arguments_and_a_text_form(name):
    command = cli._command(name)
    assert isinstance(command.HELP, str)
    assert command.HELP[0].islower()
    assert not command.HELP.endswith(".")
    parser = cli._parser(name, command)
    assert "--json" in parser.format_help()
    assert callable(command.run)
    assert callable(command.render)


def test_a_command_error_is_one_sentence_without_a_traceback(monkeypatch, capsys):
    command = cli._command("models")

    def fail(arguments):
        raise ExplorerError("r = 0 is out of range; 1 to 1024 are allowed.")

    monkeypatch.setattr(command, "run", fail)
    assert cli.run(["models"]) == cli.USAGE_ERROR
    assert capsys.readouterr().err == (
        "explorer models: r = 0 is out of range; 1 to 1024 are allowed.\n"
    )


def test_models_are_listed_as_json():
    done = explorer("models", "--json")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    assert "llama-3.1-8b" in {model["id"] for model in listed}
