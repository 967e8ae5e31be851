"""Run commands as a shell would and read what they print."""

import json

from explorer import cli


def run_json(capsys, *words):
    """What a command that succeeds prints with --json."""
    assert cli.run([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, *words):
    """The one sentence of a command that is refused; nothing else is printed."""
    assert cli.run(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err
