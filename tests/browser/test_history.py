"""Own rows are looked at and kept; a run is found, noted, fetched and deleted."""

import json
import zipfile

import pytest

from explorer.lab.events import Started, Step
from explorer.lab.job import TrainJob
from explorer.lab.runs import Result, create_run

pytestmark = pytest.mark.browser


@pytest.fixture
def runs_of_the_page(page_runs, monkeypatch):
    """Two runs where the page looks for them."""
    monkeypatch.setenv("EXPLORER_RUNS", str(page_runs))
    made = []
    for method in ("lora", "ia3"):
        job = TrainJob(task="text-to-sql", method=method, steps=2, learning_rate=1e-3)
        run = create_run(job)
        told = {"device": "cpu", "precision": "float32", "threads": 1}
        run.append(Started(time=1.0, trainable=5, total=9, rows=4, longest_row=9, **told))
        for step in (1, 2):
            run.append(
                Step(
                    time=2.0, step=step, loss=2.0 / step, learning_rate=1e-3, gradient_norm=1.0,
                    tokens_per_second=9.0, eta_seconds=0.0, memory_bytes=1,
                )
            )  # fmt: skip
        run.adapter.mkdir()
        (run.adapter / "adapter_config.json").write_text("{}")
        result = Result.of(job, "done", "").model_copy(update={"adapter_bytes": 2, "trainable": 5})
        run.finish(result)
        made.append(run)
    return made


def test_a_run_is_found_noted_fetched_and_deleted(visit, runs_of_the_page):
    lora, ia3 = runs_of_the_page
    page = visit("?tab=lab&find=task:text-to-sql")
    names = page.locator("#history-table [data-run]")
    names.nth(1).wait_for()
    assert names.all_inner_texts() == ["(IA)³", "LoRA"]
    page.wait_for_timeout(3000)  # what the page asks for at first, the table too, is answered
    names.nth(0).click()
    names.nth(1).click()
    page.locator("#history-card h3", has_text="LoRA").wait_for()

    page.get_by_label("Note on the last picked run").fill("the best so far")
    page.locator("#history-tags input, #history-tags textarea").fill("best")
    page.get_by_role("button", name="Keep note and tags").click()
    page.locator("#history-table", has_text="#best").wait_for()

    with page.expect_download() as fetched:
        page.get_by_role("link", name="Everything").click()
    with zipfile.ZipFile(fetched.value.path()) as archive:
        assert json.loads(archive.read("notes.json"))["note"] == "the best so far"
        assert "reproduce.py" in archive.namelist()

    page.get_by_role("button", name="Lay over each other above").click()
    page.locator(".race-table tbody tr").nth(1).wait_for()
    delete = page.locator("#history").get_by_role("button", name="Delete", exact=True)
    asked = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    delete.click()
    page.wait_for_timeout(500)
    assert asked == ["Delete, for good?"]
    assert lora.folder.exists()
    page.once("dialog", lambda dialog: dialog.accept())
    delete.click()
    page.locator("#history-table", has_text="No run fits").wait_for()
    assert not lora.folder.exists()
    assert not ia3.folder.exists()


def test_own_rows_are_checked_kept_and_become_the_task(visit, tmp_path):
    rows = [{"prompt": f"say {n}", "completion": f"the {n}"} for n in range(20)]
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    text = "".join(json.dumps(row) + "\n" for row in rows)
    whole.write_text(text)
    broken.write_text(text + '{"prompt": "a", "completoin": "b"}\n')
    page = visit("?tab=lab")
    page.get_by_text("Your own data").first.click()
    choose = page.locator("#own-data input[type=file]")
    choose.set_input_files(str(broken))
    page.locator("#own-found", has_text="line 21: no key 'completion', but 'completoin'").wait_for()
    page.locator("#own-data").get_by_role("button", name="Clear").click()
    choose.set_input_files(str(whole))
    page.locator("#own-found", has_text="20 rows of the form").wait_for()
    page.locator("#own-lengths .js-plotly-plot").wait_for()
    page.get_by_role("button", name="Train on these rows").click()
    page.locator("#own-found", has_text="now the task of the race above").wait_for()
    page.wait_for_url("**task=own-*")
