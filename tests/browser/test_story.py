"""The story of a first visit: browse a model, budget a fine-tune, race two methods, compare."""

import re
import time

import pytest

pytestmark = pytest.mark.browser

PROMPT = "Lindqvist wants nine woven baskets sent to Turin."
LORA_TRAINS = "3,407,872"  # rank 8 on q and v of Llama 3.1 8B
RACE_SECONDS = 600  # far above the four minutes that it takes, for a busy machine


def tab(page, title):
    return page.get_by_role("tab", name=title, exact=True).first


def wait_for_the_race(page):
    deadline = time.monotonic() + RACE_SECONDS
    headline = page.locator(".race-headline")
    while time.monotonic() < deadline:
        told = headline.inner_text() if headline.count() else ""
        if told in ("2 done.", "1 done, 1 failed.", "2 failed."):
            return told
        page.wait_for_timeout(500)
    raise AssertionError(f"the race did not end within {RACE_SECONDS} s: {told!r}")


def scores(page, row):
    """The held-out exact match before and after, of one row of the race."""
    cells = page.locator(".race-table tbody tr").nth(row).inner_text()
    found = re.search(r"(\d\.\d\d) → (\d\.\d\d)", cells)
    assert found, cells
    return float(found[1]), float(found[2])


def test_the_story(visit, keep):
    page = visit("?tab=generations&view=model&model=llama-3.1-8b")
    page.get_by_role("heading", name="Llama 3.1 8B").first.wait_for()
    page.screenshot(path=keep("generations"))

    page.get_by_role("button", name="Budget a fine-tune").first.click()
    page.wait_for_url(re.compile("tab=budget"))
    page.get_by_text(LORA_TRAINS).first.wait_for()
    page.screenshot(path=keep("budget"))

    page.goto(page.url.split("?")[0] + "?tab=lab&methods=lora,qlora&task=order-extraction")
    page.get_by_role("button", name="Start the race").click()
    page.locator(".race-table tbody tr").nth(1).wait_for()
    page.wait_for_url(re.compile("runs="))

    page.reload()  # whoever comes back finds the race again
    page.locator(".race-table tbody tr").nth(1).wait_for(timeout=30_000)

    assert wait_for_the_race(page) == "2 done."
    page.wait_for_timeout(1000)
    page.screenshot(path=keep("lab"), full_page=True)
    for row in (0, 1):
        before, after = scores(page, row)
        assert before <= 0.1
        assert after >= 0.8

    page.get_by_role("button", name="Compare the answers").click()
    page.locator("#compare-prompt textarea").wait_for()
    page.locator("#compare-prompt textarea").fill(PROMPT)
    page.get_by_role("button", name="Ask all").click()
    footers = page.locator(".answer footer", has_text="tokens/s")
    footers.nth(2).wait_for(timeout=60_000)
    page.locator(".check.passed").nth(2).wait_for(timeout=60_000)
    page.screenshot(path=keep("compare"), full_page=True)
    answers = page.locator(".answer .said").all_inner_texts()
    assert len(answers) == 3
    assert answers[0] not in answers[1:]
    assert "Turin" in answers[1]
    assert "Turin" in answers[2]


def test_a_stopped_run_says_so_and_an_unknown_one_is_told(visit):
    page = visit("?tab=lab&methods=lora&steps=400")
    page.get_by_role("button", name="Start the race").click()
    page.locator("#race-table").get_by_text("step ").first.wait_for(timeout=120_000)
    page.get_by_role("button", name="Stop", exact=True).first.click()
    page.locator(".state-stopped").wait_for(timeout=30_000)

    lost = visit("?tab=lab&runs=20260101-000000-000000-00000000")
    lost.get_by_text("it may have been deleted").first.wait_for()
