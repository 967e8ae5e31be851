"""The real page in a process of its own, and a headless Chromium to drive it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS = 90


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_open(url, process):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the page ended with exit code {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"the page did not open within {START_SECONDS} s")


@pytest.fixture(scope="session")
def page_runs(tmp_path_factory):
    """The run folder of the page that runs for all browser tests."""
    return tmp_path_factory.mktemp("runs")


@contextmanager
def running_page(log, **settings):
    """A page of its own at a free port; its address. Nothing may go wrong without being told."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), **settings}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=stream, stderr=stream
        )
        try:
            wait_until_open(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=30)
    told = log.read_text(encoding="utf-8", errors="replace")
    assert "Traceback" not in told, told


@pytest.fixture(scope="session")
def page_address(tmp_path_factory, page_runs):
    """The address of a page that runs for all browser tests, with its own run folder."""
    log = tmp_path_factory.mktemp("page") / "page.log"
    with running_page(log, EXPLORER_RUNS=str(page_runs)) as url:
        yield url


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=FLAGS, headless=True
        )
        yield started
        started.close()


@pytest.fixture
def visit(browser, page_address):
    """Open the page at a query string; returns the page, which fails the test on a script error."""
    pages, errors = [], []

    def open_page(query="", width=1280, height=900, dark=False):
        page = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
        )
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.foreign = []
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((page_address, "data:", "blob:"))
                else page.foreign.append(request.url)
            ),
        )
        page.goto(page_address + query)
        pages.append(page)
        return page

    yield open_page
    foreign = [url for page in pages for url in page.foreign]
    for page in pages:
        page.close()
    assert errors == []
    assert foreign == [], "the page asks for nothing but itself"


@pytest.fixture
def keep(request, tmp_path):
    """Where a screenshot goes: among the README's pictures when those are renewed."""
    folder = (
        ROOT / "data" / "pictures" if request.config.getoption("--keep-screenshots") else tmp_path
    )
    folder.mkdir(exist_ok=True)
    return lambda name: str(folder / f"{name}.png")
