"""The tab's four panels: one prompt, a prompt set, blind votes, adapters of one's own."""

from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.lab.bases import checkpoints
from explorer.lab.metrics import SCORERS
from explorer.lab.prompt_set import MAX_ROWS
from explorer.ui import views
from explorer.ui.compare import sets
from explorer.ui.compare.answers import VIEWS
from explorer.ui.compare.handlers import Handlers
from explorer.ui.markup import element
from explorer.ui.saving import save_buttons
from explorer.ui.tab import Page

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
COPY = "(text) => { if (text) navigator.clipboard.writeText(text); }"


def hidden(label: str, name: str = "") -> gr.Textbox:
    """A value that the page carries with it."""
    return gr.Textbox(
        "", visible="hidden", label=label, elem_classes="unseen-field", elem_id=name or None
    )


def ask(
    page: Page, handlers: Handlers, runs: gr.Dropdown, common: list[Component]
) -> dict[str, Component]:
    """One prompt in all columns."""
    prompt = gr.Textbox("", label="Prompt", lines=2, max_lines=8, elem_id="compare-prompt")
    with gr.Row(elem_classes="pick"):
        preset = gr.Dropdown(
            [], value=None, label="Or one of the task's prompts", scale=3, allow_custom_value=True
        )
        go = gr.Button("Ask all", variant="primary", scale=1)
        stop = gr.Button("Stop", variant="stop", scale=1)
    with gr.Row(elem_classes="pick switches"):
        chat = gr.Checkbox(
            False, label="Chat: every column keeps its own history", scale=2, min_width=240
        )
        blind = gr.Checkbox(
            False, label="Blind: no names until you have voted", scale=2, min_width=240
        )
        fresh = gr.Button("New chat", size="sm", scale=0, min_width=110)
    with gr.Row(elem_classes="pick spread"):
        view = views.chooser(VIEWS, "Show")
        against = gr.Dropdown(
            [("Base", "base")],
            value="base",
            label="Against",
            min_width=200,
            scale=0,
            allow_custom_value=True,
        )
    with gr.Row(visible=False, elem_classes="pick") as booth:
        choice = gr.Radio([], label="Which answer is best?", scale=3, elem_id="compare-choice")
        cast = gr.Button("Vote", variant="primary", scale=1)
    told = gr.HTML(elem_id="compare-told")
    board = gr.HTML(elem_id="compare-board")
    result, ballot = hidden("Result", "compare-result"), hidden("Ballot")
    gr.on([page.visited.change, runs.change], handlers.presets, runs, preset, **QUIET)
    preset.input(lambda text: text, preset, prompt, **QUIET)
    shown = [board, result, against, ballot, booth, choice, told]
    given = [prompt, chat, blind, view, against, result, *common]
    going = gr.on(
        [go.click, prompt.submit], handlers.ask, given, shown, concurrency_limit=8, **QUIET
    )
    stop.click(None, None, None, cancels=[going], **QUIET)
    fresh.click(handlers.forget, None, shown, cancels=[going], **QUIET)
    gr.on([view.change, against.input], handlers.draw, [result, view, against], board, **QUIET)
    cast.click(
        handlers.cast,
        [ballot, choice, view],
        [board, result, against, ballot, booth, told],
        **QUIET,
    )
    with gr.Row(elem_classes="actions"):
        copy = gr.Button("Copy as Markdown", size="sm", elem_id="compare-copy")
    copied = hidden("Copied")
    copy.click(handlers.copied, result, copied, **QUIET).then(
        None, copied, None, js=COPY, api_visibility="private"
    )
    save_buttons({"md": "Markdown file", "json": "JSON file"}, handlers.file, [result])
    return {"prompt": prompt, "view": view, "chat": chat, "blind": blind}


def prompt_set(page: Page, handlers: Handlers, common: list[Component]) -> dict[str, Component]:
    """A task's held-out rows or an uploaded list in all columns."""
    tasks = [(task.name, task.id) for task in page.catalogue.tasks.values()]
    with gr.Row(elem_classes="pick"):
        task = gr.Dropdown(
            tasks, value=tasks[0][1], label="Held-out prompts of a task", scale=2, min_width=240
        )
        limit = gr.Slider(
            1, MAX_ROWS, value=20, step=1, label="Prompts at most", scale=2, min_width=240
        )
    with gr.Accordion("Or a list of your own", open=False), gr.Row():
        upload = gr.File(
            label="JSONL, JSON, CSV, TSV, Parquet or text", type="filepath", height=120,
            file_types=[".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt"],
        )  # fmt: skip
        metric = gr.Dropdown(list(SCORERS), value="exact-match", label="Scored by")
    with gr.Row(elem_classes="pick"):
        go = gr.Button("Ask the whole set", variant="primary", scale=1)
        stop = gr.Button("Stop", variant="stop", scale=1)
    summary = gr.HTML(element("p", sets.EXPLANATION, class_="faint"), elem_id="set-summary")
    table = gr.Dataframe(
        value=None, headers=["#", "prompt"], interactive=False, wrap=True, show_label=False,
        elem_classes="data", elem_id="set-table", max_height=560, visible=False,
    )  # fmt: skip
    result = hidden("Set")
    given = [task, limit, upload, metric, *common]
    going = go.click(
        handlers.ask_set, given, [summary, table, result], concurrency_limit=4, **QUIET
    )
    stop.click(None, None, None, cancels=[going], **QUIET)
    save_buttons(sets.KINDS, sets.export_set, [result])
    return {"set": task, "prompts": limit}


def votes(page: Page, handlers: Handlers, mode: gr.Radio) -> None:
    """How the columns stand."""
    table = gr.HTML(elem_id="compare-standings")
    gr.on([page.visited.change, mode.change], handlers.standings, None, table, **QUIET)


def own(handlers: Handlers, runs: gr.Dropdown) -> None:
    """Bring an adapter, or delete one."""
    bases = [("the one that it names", ""), *((b.name, b.id) for b in checkpoints().values())]
    gr.Markdown(
        "A zip with `adapter_config.json` and `adapter_model.safetensors`, the two files, or the "
        "hub's id. Pickled weights are refused, for loading them runs code; its tensors have to "
        "fit the base, and it is tried once before it is taken in.",
        elem_classes="intro",
    )
    with gr.Row():
        files = gr.File(
            label="Adapter", file_count="multiple", type="filepath", height=140,
            file_types=[".zip", ".json", ".safetensors"], elem_id="own-files",
        )  # fmt: skip
        with gr.Column():
            hub = gr.Textbox("", label="Or an id on the Hugging Face hub", placeholder="owner/name")
            name = gr.Textbox("", label="What to call it", max_lines=1)
            base = gr.Dropdown(bases, value="", label="Base that it acts on")
    add = gr.Button("Check it and take it in", variant="primary")
    told = gr.HTML(elem_id="own-told", label="What was taken in")
    with gr.Row(elem_classes="pick"):
        listed = gr.Dropdown(
            [], value=None, label="Brought so far", scale=3, allow_custom_value=True
        )
        gone = gr.Button("Delete it", size="sm", scale=1, elem_classes="for-good")
    add.click(
        handlers.bring_adapter, [files, hub, name, base, runs], [told, runs, listed],
        api_name="bring_adapter", concurrency_limit=2, show_progress="hidden",
    )  # fmt: skip
    runs.change(handlers.brought, None, listed, **QUIET)
    gone.click(handlers.delete, [listed, runs], [runs, listed], **QUIET)
