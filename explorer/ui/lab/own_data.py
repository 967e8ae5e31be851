"""View: rows of one's own, looked at before they are trained on, kept as a task of the race."""

from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.figures.lengths import length_histogram
from explorer.lab.datasets import Row
from explorer.lab.own_data.limits import ENDINGS, MAX_BYTES, MAX_ROWS
from explorer.lab.own_data.preview import Preview
from explorer.lab.own_data.store import own_tasks
from explorer.ui.endpoint import endpoint
from explorer.ui.errors import told
from explorer.ui.markup import element, joined
from explorer.ui.own_data_actions import OwnDataActions, keep_file, look
from explorer.ui.tab import Page

FORMS = (
    f"JSONL, JSON, CSV, TSV, Parquet or text, up to {MAX_BYTES // 2**20} MiB and {MAX_ROWS:,} "
    "rows. A row is prompt and completion; or messages; or instruction, input and output; or text. "
    "Numbers are taken as text; what is missing, true or false is told as a fault."
)
METRICS = [
    ("Overlap of words (ROUGE-L)", "rouge-l"),
    ("The whole answer (exact match)", "exact-match"),
    ("Fields of a line (F1)", "field-f1"),
    ("Keys of JSON (F1)", "json-f1"),
    ("The label (accuracy)", "accuracy"),
]
SAMPLE = 5
LONGEST = 400  # characters of a text that the preview shows
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def build(page: Page, task: gr.Dropdown, base: gr.Dropdown) -> None:
    """Lay the view out; what is kept becomes a choice of `task`. `base` counts the tokens."""
    actions = OwnDataActions()
    handlers = Handlers(page.catalogue, actions)
    with gr.Accordion("Your own data", open=False, elem_id="own-data"):
        gr.Markdown(FORMS, elem_classes="intro")
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                file = gr.File(file_types=list(ENDINGS), label="File with rows", height=140)
                form = _form()
                keep = gr.Button("Train on these rows", variant="primary")
            with gr.Column(scale=5, min_width=300):
                found = gr.HTML(elem_id="own-found")
                plot = gr.Plot(show_label=False, visible=False, elem_id="own-lengths")
        with gr.Row(elem_classes="pick"):
            kept = gr.Dropdown([], label="Kept here", scale=3, elem_id="own-kept")
            delete = gr.Button(
                "Delete these rows",
                size="sm",
                variant="stop",
                scale=0,
                min_width=170,
                elem_classes="for-good",
            )
    looked_at = [file, base, form["system"], form["longest"], page.theme]
    gr.on(
        [file.change, base.change, form["system"].blur, form["longest"].change, page.theme.change],
        handlers.preview, looked_at, [found, plot], **QUIET,
    )  # fmt: skip
    given = [file, *form.values(), base]
    keep.click(handlers.keep, given, [task, kept, found], api_visibility="private")
    delete.click(handlers.delete, [kept, task], [task, kept], api_visibility="private")
    page.visited.change(handlers.choices, task, [task, kept], **QUIET)
    for action in ("check_data", "keep_data", "list_data", "delete_data"):
        endpoint(getattr(actions, action), api_name=action)


def _form() -> dict[str, Any]:
    return {
        "title": gr.Textbox("", label="Name", placeholder="the file's name", max_length=80),
        "metric": gr.Dropdown(METRICS, value="rouge-l", label="Answers are scored by"),
        "system": gr.Textbox("", label="System message", lines=2, max_length=2000),
        "held_out": gr.Slider(
            0.02, 0.5, value=0.1, step=0.01, label="Held out", info="share that is tested on"
        ),
        "longest": gr.Number(
            0, minimum=0, precision=0, label="Longest row in tokens",
            info="longer ones are left out; 0 takes all that the base can read",
        ),
    }  # fmt: skip


class Handlers:
    """What the view answers with."""

    def __init__(self, catalogue: Catalogue, actions: OwnDataActions) -> None:
        self.catalogue = catalogue
        self.actions = actions

    def preview(
        self, file: str | None, base: str, system: str, longest: int, theme: str
    ) -> tuple[str, Any]:
        """What the file holds; what is wrong with it stands in its place."""
        if not file:
            return "", gr.Plot(visible=False)
        try:
            found = look(Path(file), Path(file).name, base, system, longest or 0)
        except ExplorerError as error:
            return element("p", str(error), class_="notice", role="alert"), gr.Plot(visible=False)
        figure = length_histogram(found.lengths, found.limit, theme)
        return preview_card(found), gr.Plot(figure, visible=True)

    @told
    def keep(self, file: str | None, title: str, *settings: Any) -> tuple[Any, Any, str]:
        """Keep the rows, and make them the race's task."""
        if not file:
            raise ExplorerError("Choose a file with rows first.")
        name = Path(file).name
        task = keep_file(Path(file), name, title or Path(name).stem[:80], *settings)
        summary = next(t.summary for t in own_tasks() if t.id == task)
        words = f"Kept as {task}, and now the task of the race above. {summary}"
        return *self.choices(task), element("p", words, class_="card", role="status")

    @told
    def delete(self, kept: str | None, task: str) -> tuple[Any, Any]:
        """Remove kept rows from disk."""
        if not kept:
            raise ExplorerError("Choose the rows to delete first.")
        self.actions.delete_data(kept)
        gr.Info("Deleted.")
        return self.choices(task)

    def choices(self, task: str) -> tuple[Any, Any]:
        """The race's tasks with the kept ones first, and the kept ones alone."""
        own = [(t.name, t.id) for t in own_tasks()]
        built_in = [(t.name, t.id) for t in self.catalogue.tasks.values()]
        known = [value for _, value in [*own, *built_in]]
        value = task if task in known else built_in[0][1]
        newest = own[0][1] if own else None
        return gr.Dropdown([*own, *built_in], value=value), gr.Dropdown(own, value=newest)


def preview_card(found: Preview) -> Markup:
    """What was read: how much, what is wrong, the first rows."""
    upload = found.upload
    said = f"{len(upload.rows):,} rows of the form “{upload.form}”"
    if found.lengths:
        said += f", from {min(found.lengths):,} to {max(found.lengths):,} tokens"
    problems = [
        element("li", element("strong", f"{p.unit} {p.line:,}"), f": {p.sentence}")
        for p in upload.problems
    ]
    more = upload.faulty - len(upload.problems)
    if more > 0:
        problems.append(element("li", f"and {more:,} more"))
    return element(
        "section",
        element("p", element("strong", f"{said}.")),
        joined(element("p", warning, class_="notice") for warning in found.warnings),
        element("ul", *problems, class_="own-problems") if problems else None,
        _rows_table(upload.rows[:SAMPLE]),
        class_="card",
    )


def _rows_table(rows: tuple[Row, ...]) -> Markup:
    plain = all(not row.prompt for row in rows)
    heads = ("Text",) if plain else ("Prompt", "Answer")
    lines = (
        element("tr", *(element("td", _short(text)) for text in _texts(row, plain))) for row in rows
    )
    head = element("tr", *(element("th", name, scope="col") for name in heads))
    table = element(
        "table", element("thead", head), element("tbody", *lines), class_="plain own-rows"
    )
    return element("div", table, class_="scroll")


def _texts(row: Row, plain: bool) -> tuple[str, ...]:
    if plain:
        return (row.completion,)
    before = "".join(f"[{message.role}] {message.content}\n" for message in row.history)
    return before + row.prompt, row.completion


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
