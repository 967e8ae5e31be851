"""Compare: one prompt, the base and every chosen adapter, answered side by side."""

import gradio as gr
from gradio.components import Component

from explorer.ui import views
from explorer.ui.compare import form, panels
from explorer.ui.compare.handlers import Handlers
from explorer.ui.compare_actions import CompareActions
from explorer.ui.endpoint import endpoint
from explorer.ui.tab import Page, Tab

INTRO = (
    "The base and every adapter answer the same prompt together, and each column is checked: the "
    "base's logits against those of the untouched model, each adapter's against the base's and "
    "against its own by itself."
)
MODES = {
    "ask": "One prompt",
    "set": "Prompt set",
    "votes": "Blind votes",
    "own": "Your own adapters",
}


def build(page: Page) -> dict[str, Component]:
    """Lay out the tab; returns what the address bar keeps."""
    handlers = Handlers(CompareActions(page.catalogue, page.engine))
    gr.Markdown(INTRO, elem_classes="intro")
    runs, strength = form.adapters()
    form.mixer(handlers, runs)
    settings = form.settings()
    mode = views.chooser(MODES)
    columns = {name: gr.Column(visible=name == "ask", elem_classes="view") for name in MODES}
    common = [runs, strength, *settings.values()]
    with columns["ask"]:
        asked = panels.ask(page, handlers, runs, common)
    with columns["set"]:
        chosen = panels.prompt_set(page, handlers, common)
    with columns["votes"]:
        panels.votes(page, handlers, mode)
    with columns["own"]:
        panels.own(handlers, runs)
    views.show_chosen(mode, columns)
    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    page.visited.change(handlers.visit, runs, runs, **quiet)
    _publish(handlers)
    return {"runs": runs, "strength": strength, "mode": mode, **asked, **chosen, **settings}


def _publish(handlers: Handlers) -> None:
    actions = (
        handlers.actions.compare,
        handlers.actions.export_comparison,
        handlers.sets.compare_set,
        handlers.votes.compare_blindly,
        handlers.votes.vote,
        handlers.votes.vote_standings,
        handlers.own.fetch_adapter,
        handlers.own.list_adapters,
        handlers.own.delete_adapter,
    )
    for action in actions:
        endpoint(action, api_name=action.__name__, concurrency_limit=8)


TAB = Tab("compare", "Compare", 60, build)
