"""Compare: one prompt, the base and every chosen adapter, answered side by side."""

from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.catalogue.errors import UnknownNameError
from explorer.lab.question import ask_runs
from explorer.lab.runs import find_run
from explorer.ui.compare_actions import CompareActions, sampling
from explorer.ui.errors import told
from explorer.ui.tab import Page, Tab

INTRO = (
    "The base and every adapter answer the same prompt together. Each column is checked first: the "
    "base's logits against those of the untouched model, each adapter's against the base's."
)


def build(page: Page) -> dict[str, Component]:
    """Lay out the tab; returns what the address bar keeps."""
    handlers = Handlers(CompareActions(page.catalogue, page.engine))
    gr.Markdown(INTRO, elem_classes="intro")
    form: dict[str, Component] = {
        "runs": gr.Dropdown(
            [], multiselect=True, max_choices=8, label="Adapters (from the runs of the lab)",
            elem_id="compare-runs",
            allow_custom_value=True,  # a link names runs before these are listed
        ),
        "prompt": gr.Textbox("", label="Prompt", lines=2, max_lines=8, elem_id="compare-prompt"),
    }  # fmt: skip
    with gr.Row(elem_classes="pick"):
        preset = gr.Dropdown([], label="Or one of the task's prompts", scale=3)
        ask = gr.Button("Ask all", variant="primary", scale=1)
        stop = gr.Button("Stop", variant="stop", scale=1)
    with gr.Accordion("Sampling", open=False):
        form |= _settings()
    board = gr.HTML(elem_id="compare-board")
    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    page.visited.change(handlers.visit, form["runs"], form["runs"], **quiet)
    gr.on(
        [page.visited.change, form["runs"].change], handlers.presets, form["runs"], preset, **quiet
    )
    preset.input(lambda text: text, preset, form["prompt"], **quiet)
    going = gr.on(
        [ask.click, form["prompt"].submit], handlers.ask, list(form.values()), board,
        concurrency_limit=8, **quiet,
    )  # fmt: skip
    stop.click(None, None, None, cancels=[going], **quiet)
    gr.api(handlers.actions.compare, api_name="compare", concurrency_limit=8)
    return form


def _settings() -> dict[str, Component]:
    with gr.Row():
        limits = {
            "tokens": gr.Slider(1, 512, value=64, step=1, label="Longest answer, in tokens"),
            "temperature": gr.Slider(0, 2, value=0, step=0.05, label="Temperature (0 is greedy)"),
            "top_p": gr.Slider(0.01, 1, value=1, step=0.01, label="Top p"),
        }
    with gr.Row():
        limits |= {
            "top_k": gr.Slider(0, 200, value=0, step=1, label="Top k (0 is no limit)"),
            "penalty": gr.Slider(0.5, 2, value=1, step=0.05, label="Repetition penalty"),
            "seed": gr.Number(0, minimum=0, maximum=2**31 - 1, precision=0, label="Seed"),
        }
    with gr.Row():
        limits |= {
            "stop": gr.Textbox("", label="Stop texts, one a line", lines=1, max_lines=8),
            "system": gr.Textbox(
                "", label="System message", lines=1, max_lines=4,
                info="empty takes the one that the runs were trained with",
            ),
        }  # fmt: skip
    return limits


class Handlers:
    """What the tab answers with."""

    def __init__(self, actions: CompareActions) -> None:
        self.actions = actions

    def visit(self, chosen: list[str]) -> Any:
        """The adapters there are, and of them those that a link asked for."""
        choices = self.actions.comparable()
        known = {run for _, run in choices}
        for lost in [run for run in chosen or [] if run not in known]:
            gr.Warning(_why_not(lost))
        return gr.Dropdown(choices=choices, value=[run for run in chosen or [] if run in known])

    def presets(self, runs: list[str]) -> Any:
        """Prompts of the tasks that these runs learned."""
        return gr.Dropdown(choices=self.actions.presets(runs or []), value=None)

    @told
    def ask(  # noqa: PLR0913  # the form's fields
        self,
        runs: list[str],
        prompt: str,
        tokens: int,
        temperature: float,
        top_p: float,
        top_k: int,
        penalty: float,
        seed: int,
        stop: str,
        system: str,
    ) -> Iterator[str]:
        """Stream the columns."""
        settings = sampling(tokens, temperature, top_p, top_k, penalty, stop)
        request = ask_runs(
            prompt or "", runs or [], seed=seed, sampling=settings, system=system or None
        )
        for board in self.actions.watch(request):
            yield board.html()


def _why_not(name: str) -> str:
    try:
        run = find_run(name)
    except UnknownNameError as error:
        return str(error)
    return f"The run {run.id} has no adapter to compare: it is {run.state().name}."


TAB = Tab("compare", "Compare", 60, build)
