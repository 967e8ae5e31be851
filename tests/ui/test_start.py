"""How the page is started: where it listens, and what it says when it cannot."""

import socket

import pytest

from explorer.catalogue.errors import ExplorerError
from explorer.ui.start import address, start


@pytest.mark.parametrize("port", ["0", "65536", "-1", "", "eight", "٨٠٨٠", "80 80"])
def test_what_is_no_port_is_refused_with_the_range(port):
    with pytest.raises(ExplorerError, match=r"it takes a whole number from 1 to 65535\."):
        address("127.0.0.1", port)


def test_a_taken_port_is_one_sentence_and_exit_code_2(capsys):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            start(["--port", str(port)])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"app.py: 127.0.0.1:{port} cannot be opened")
    assert said.count("\n") == 1


def test_help_tells_the_options_and_opens_nothing(capsys):
    with pytest.raises(SystemExit) as ended:
        start(["--help"])
    assert ended.value.code == 0
    assert "--port" in capsys.readouterr().out


def test_the_port_of_the_environment_is_the_default(monkeypatch, capsys):
    monkeypatch.setenv("GRADIO_SERVER_PORT", "http")
    with pytest.raises(SystemExit):
        start([])
    assert "port = 'http': it takes" in capsys.readouterr().err
