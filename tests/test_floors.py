"""The page and the command line never load torch; import-linter holds the rest (`make lint`)."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "peft", "bitsandbytes", "accelerate")
CHECK = (
    "import sys; import {module}; "
    "found = [name for name in {heavy} if name in sys.modules]; "
    "sys.exit(f'{module} loads {{found}}' if found else 0)"
)


def check(module, heavy):
    code = CHECK.format(module=module, heavy=heavy)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page_never_imports_torch():
    check("explorer.ui.start", HEAVY)


@pytest.mark.parametrize(
    "module", ["explorer.catalogue.catalogue", "explorer.budget", "explorer.lab.engine"]
)
def test_facts_arithmetic_and_the_engine_cost_neither_torch_nor_gradio(module):
    check(module, (*HEAVY, "gradio", "pandas", "plotly"))


def test_the_command_line_loads_only_what_its_command_needs():
    check("explorer.cli", (*HEAVY, "gradio", "pandas", "plotly", "pydantic_settings"))
