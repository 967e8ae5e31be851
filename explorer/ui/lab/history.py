"""View: every run so far, found by words; notes, files, the same again, merged, deleted."""

from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.catalogue.errors import ExplorerError, UnknownNameError
from explorer.lab import reproduce
from explorer.lab.history import find_runs, full_record
from explorer.lab.runs import delete_runs, find_run
from explorer.lab.stored import DamagedFileError
from explorer.ui.endpoint import endpoint
from explorer.ui.errors import told
from explorer.ui.history_actions import HistoryActions
from explorer.ui.lab import history_view
from explorer.ui.lab.folds import open_if_set
from explorer.ui.markup import element
from explorer.ui.tab import Page

# A click counts at once, and tells all that is pressed: the next one need not wait for an answer.
PICK_RUN = """
const pressed = (button) => button.getAttribute("aria-pressed") === "true";
const names = (buttons) => buttons.map((button) => button.dataset.run);
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-run]");
  if (!button) return;
  button.setAttribute("aria-pressed", pressed(button) ? "false" : "true");
  const all = [...element.querySelectorAll("[data-run]")];
  const run = button.dataset.run;
  trigger("opened", { run, listed: names(all), pressed: names(all.filter(pressed)) });
});
"""
ENDPOINTS = (
    "find_runs", "run_record", "note_run", "train_again", "merge_run", "run_program", "export_run",
)  # fmt: skip
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def build(page: Page, runs: gr.Dropdown) -> dict[str, Component]:
    """Lay the view out; `runs` are those that the charts above show. Returns what a link keeps."""
    actions = HistoryActions(page.catalogue, page.engine)
    handlers = Handlers(actions)
    folded = gr.Accordion("History: notes, files, the same again", open=False, elem_id="history")
    with folded:
        find = gr.Textbox(
            "", label="Find runs", placeholder="lora state:done tag:first", max_length=200,
            info="all words have to fit; key:value asks for tag, method, task, state, seed, …",
        )  # fmt: skip
        table = gr.HTML(js_on_load=PICK_RUN, elem_id="history-table")
        picked = gr.Dropdown(
            [], value=[], multiselect=True, allow_custom_value=True, label="Picked runs",
            info="the last one is told in full", elem_id="history-picked",
        )  # fmt: skip
        with gr.Row(elem_classes="actions"):
            overlay = gr.Button("Lay over each other above", size="sm")
            compare = gr.Button("Compare the answers", size="sm")
            again = gr.Button("Train again", size="sm")
            merge = gr.Button("Merge into the base", size="sm")
            delete = gr.Button("Delete", size="sm", variant="stop", elem_classes="for-good")
        card = gr.HTML(elem_id="history-card")
        with gr.Row(elem_classes="pick"):
            note = gr.Textbox("", label="Note on the last picked run", lines=2, scale=3)
            tags = gr.Textbox(
                "", label="Tags", placeholder="first keep", scale=2, elem_id="history-tags"
            )
            write = gr.Button("Keep note and tags", size="sm", scale=0, min_width=170)
        with gr.Accordion("The run as a program", open=False):
            code = gr.Code("", language="python", label="reproduce.py", max_lines=30)
    gr.on(
        [page.visited.change, find.change, picked.change, runs.change], handlers.table,
        [find, picked], table, **QUIET,
    )  # fmt: skip
    open_if_set(page, folded, [find, picked])
    picked.change(handlers.one, picked, [card, note, tags, code], **QUIET)
    table.opened(handlers.pick, picked, picked, trigger_mode="always_last", **QUIET)
    overlay.click(lambda chosen: chosen, picked, runs, **QUIET)
    page.hand_over(compare, "compare", {"runs": picked})
    again.click(handlers.again, picked, runs, api_visibility="private")
    merge.click(handlers.merge, picked, card, api_visibility="private")
    delete.click(handlers.delete, picked, [picked, runs], api_visibility="private")
    written = write.click(handlers.write, [picked, note, tags], [note, tags], **QUIET)
    written.then(handlers.table, [find, picked], table, **QUIET)
    for action in ENDPOINTS:
        endpoint(getattr(actions, action), api_name=action)
    return {"find": find, "picked": picked}


class Handlers:
    """What the view answers with."""

    def __init__(self, actions: HistoryActions) -> None:
        self.actions = actions
        self.catalogue = actions.catalogue

    @told
    def table(self, query: str, picked: list[str]) -> str:
        """The runs that fit."""
        return history_view.runs_table(self.catalogue, list(find_runs(query)), picked or [])

    def pick(self, picked: list[str], event: gr.EventData) -> list[str]:
        """What is pressed in the table, and what was picked before and is not in it.

        The run that was clicked comes last.
        """
        pressed = set(event.pressed)
        stay = [run for run in picked or [] if run in pressed or run not in event.listed]
        both = dict.fromkeys([*stay, *event.pressed])
        return sorted(both, key=lambda run: run == event.run)

    @told
    def one(self, picked: list[str]) -> tuple[Any, ...]:
        """The last picked run in full: card, note, tags, program."""
        if not picked:
            return element("p", "Pick a run in the table.", class_="faint"), "", "", ""
        try:
            record = full_record(picked[-1])
        except (UnknownNameError, DamagedFileError) as error:
            return element("p", str(error), class_="faint"), "", "", ""
        try:
            program = reproduce.program(find_run(record["run"]), self.catalogue)
        except ExplorerError as error:  # it never began to train, or was damaged
            program = f"# {error}"
        card = history_view.run_card(self.catalogue, record)
        return card, record["note"], " ".join(record["tags"]), program

    def again(self, picked: list[str]) -> list[str]:
        """The last picked run once more, and both in the charts above."""
        run = self._last(picked)
        return [run, self.actions.train_again(run)]

    def merge(self, picked: list[str]) -> str:
        """Merge, and tell the check with the rest of the run."""
        run = self._last(picked)
        self.actions.merge_run(run)
        return history_view.run_card(self.catalogue, full_record(run))

    @told
    def delete(self, picked: list[str]) -> tuple[list[str], list[str]]:
        """Remove the picked runs from disk; none is picked or shown any more."""
        self._last(picked)
        delete_runs(picked)
        gr.Info(f"{len(picked)} deleted.")
        return [], []

    def write(self, picked: list[str], note: str, tags: str) -> tuple[str, str]:
        """Keep note and tags of the last picked run, as they were understood."""
        kept = self.actions.note_run(self._last(picked), note, tags)
        gr.Info("Kept.")
        return kept["note"], " ".join(kept["tags"])

    def _last(self, picked: list[str]) -> str:
        if not picked:
            raise gr.Error("Pick a run in the table first.", print_exception=False)
        return picked[-1]
