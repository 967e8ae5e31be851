"""The lab's panels end to end: own rows, seeds, a sweep, the same again, a merge, the bench.

The page has a tiny model in place of the embedded one: what is tested is the page, not learning.
"""

import json
import re
import subprocess
import sys
import time

import pytest

from explorer.lab.bases import EMBEDDED
from explorer.lab.runs import find_run
from tests.browser.conftest import ROOT, running_page
from tests.lab.tiny import write_gguf

pytestmark = pytest.mark.browser

ROWS = [{"prompt": f"say {n}", "completion": f"{n}!"} for n in range(12)]
SECONDS = 240  # far above what a handful of two-step runs takes


@pytest.fixture(scope="module")
def page_runs(tmp_path_factory):
    return tmp_path_factory.mktemp("tiny-runs")


@pytest.fixture(scope="module")
def page_address(tmp_path_factory, page_runs):
    """A page whose cache holds a tiny model where the embedded one is looked for."""
    folder = tmp_path_factory.mktemp("tiny-page")
    write_gguf(folder / "tiny.gguf")
    base = folder / "cache" / "bases" / EMBEDDED
    convert = [sys.executable, "-m", "explorer.lab.worker.convert", str(folder / "tiny.gguf")]
    subprocess.run([*convert, str(base)], cwd=ROOT, check=True, capture_output=True)
    settings = {"EXPLORER_RUNS": str(page_runs), "EXPLORER_CACHE": str(folder / "cache")}
    with running_page(folder / "page.log", **settings) as url:
        yield url


@pytest.fixture
def runs_here(page_runs, monkeypatch):
    """Look where the page keeps its runs."""
    monkeypatch.setenv("EXPLORER_RUNS", str(page_runs))


def open_panel(page, title):
    page.get_by_role("button", name=title).first.click()


def choose(page, label, option):
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def wait_for(page, headline):
    """Until the runs that are shown have come to this."""
    deadline, told = time.monotonic() + SECONDS, ""
    while time.monotonic() < deadline:
        shown = page.locator(".race-headline")
        told = shown.inner_text() if shown.count() else ""
        if told == headline:
            return
        page.wait_for_timeout(300)
    raise AssertionError(f"{headline!r} did not come within {SECONDS} s; at last {told!r}")


def shown_runs(page):
    """Ids of the runs that the address says are shown."""
    (found,) = re.findall(r"[?&]runs=([^&]+)", page.url)
    return found.replace("%2C", ",").split(",")


def losses(run):
    return [event["loss"] for event in find_run(run).events() if event["kind"] == "step"]


def keep_own_rows(page, file):
    open_panel(page, "Your own data")
    page.locator("#own-data input[type=file]").set_input_files(str(file))
    page.locator("#own-found", has_text="12 rows of the form").wait_for()
    page.get_by_role("button", name="Train on these rows").click()
    page.wait_for_url("**task=own-*")


def race_two_seeds(page):
    """Returns the ids of the two runs."""
    page.get_by_role("button", name="Start the race").click()
    page.wait_for_url("**runs=*")
    wait_for(page, "2 done.")
    first, second = shown_runs(page)
    assert [find_run(run).job.seed for run in (first, second)] == [0, 1]
    assert losses(first) != losses(second)
    choose(page, "Chart", "Over the seeds")
    page.locator("#race-plot .js-plotly-plot", has_text="LoRA").wait_for()
    return first, second


def sweep_two_ranks(page, before):
    open_panel(page, "Sweep one method")
    page.get_by_label("Values to try").fill("r=1|2")
    page.get_by_label("Values to try").blur()
    page.get_by_role("button", name="Start the sweep").click()
    page.wait_for_url(lambda url: before not in url)
    wait_for(page, "2 done.")
    page.locator("#race-plot .heatmap-label text").nth(1).wait_for()
    assert [find_run(run).job.knobs["r"] for run in shown_runs(page)] == [1, 2]


def train_again(page, run):
    """A run of the history once more gives the same losses."""
    open_panel(page, "History: notes")
    page.locator(f'#history-table [data-run="{run}"]').click()
    page.locator("#history-card", has_text=run).wait_for()
    page.get_by_role("button", name="Train again").click()
    page.wait_for_url(f"**runs={run}*")
    wait_for(page, "2 done.")
    again = shown_runs(page)[1]
    assert again != run
    assert losses(again) == pytest.approx(losses(run), abs=1e-4)


def merge(page):
    page.get_by_role("button", name="Merge into the base").click()
    page.locator("#history-card .check.passed").wait_for(timeout=SECONDS * 1000)
    card = page.locator("#history-card")
    assert "Merged and converted checkpoints take" in card.inner_text()
    assert card.get_by_role("link", name="Merged checkpoint").is_visible()


def measure_quantization(page):
    open_panel(page, "Quantization bench")
    page.get_by_role("button", name="Measure").click()
    page.locator("#bench-table tbody tr", has_text="NF4").first.wait_for(timeout=SECONDS * 1000)
    page.locator("#bench-levels .js-plotly-plot").wait_for()
    page.locator("#bench-errors .js-plotly-plot").wait_for()
    assert page.locator("#bench-table tbody tr").count() >= 4


@pytest.mark.usefixtures("runs_here")
def test_the_panels_end_to_end(visit, tmp_path):
    file = tmp_path / "twelve.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    page = visit("?tab=lab&methods=lora&steps=2&batch=2&seeds=2")
    keep_own_rows(page, file)
    first, _ = race_two_seeds(page)
    sweep_two_ranks(page, first)
    train_again(page, first)
    merge(page)
    measure_quantization(page)
