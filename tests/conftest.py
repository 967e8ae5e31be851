"""What every test shares: few threads beside each other, no network, its own cache of runs."""

import os

import pytest

# Several test processes run side by side; each with all cores would only wait for the others.
if os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make screenshots` renew the README's pictures."""
    parser.addoption("--keep-screenshots", action="store_true", help="renew the README's pictures")
