"""Prose that names code is held to it: the README's commands, files, tabs and tree."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from explorer import cli
from explorer.ui.tab import discover

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^python -m explorer (.+)$", README, flags=re.MULTILINE)


def test_every_link_to_a_file_leads_somewhere():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_tree_names_what_is_there():
    tree = README.split("## How it is built")[1].split("```")[1]
    named = [line.split()[0] for line in tree.strip().splitlines()]
    assert len(named) > 8
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_tab_has_its_row():
    titles = [tab.title for tab in discover()]
    assert [title for title in titles if f"| **{title}** |" not in README] == []
    assert README.count("| **") == len(titles)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_shown_is_one_that_the_parser_takes(line):
    words = shlex.split(line)
    cli._parser(words[0], cli._command(words[0])).parse_args(words[1:])


@pytest.mark.parametrize("target", ["run", "test"])
def test_make_knows_the_two_commands(target):
    done = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_pip_lines_install_what_make_installs():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for wanted in ('"torch==2.13.0"', "-r requirements.txt"):
        assert wanted in README
        assert wanted in makefile


def test_requirements_are_bounded_both_ways():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in wanted if not re.search(r">=.+,<", line)] == []


def test_the_readme_is_short_and_the_api_is_named():
    assert len(README.splitlines()) <= 150
    assert "MCP" in README


def test_python_m_explorer_answers():
    done = subprocess.run(
        [sys.executable, "-m", "explorer", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
