"""View: the terms that this page uses, each explained."""

import gradio as gr
from gradio.components import Component

from explorer.catalogue.glossary import load_glossary
from explorer.ui.cards.terms import terms_card
from explorer.ui.endpoint import endpoint
from explorer.ui.errors import told
from explorer.ui.tab import Page


def build(page: Page, view: gr.Radio) -> dict[str, Component]:
    """Lay the view out; returns its inputs by URL name."""
    words = gr.Textbox("", label="Search terms", max_length=200)
    text = gr.HTML(label="Terms")
    gr.on(
        [page.visited.change, words.change], terms, [view, words], text,
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    endpoint(glossary)
    return {"term": words}


@told
def terms(view: str, words: str) -> str:
    """The terms with all these words, if this view is shown."""
    if view != "terms":
        return gr.skip()
    wanted = words.lower().split()
    found = [
        term
        for term in load_glossary().values()
        if all(word in f"{term.name} {' '.join(term.also)} {term.text}".lower() for word in wanted)
    ]
    return terms_card(found)


def glossary() -> list[dict]:
    """The terms that the explorer uses, each explained in a sentence or two."""
    return [term.model_dump(mode="json") for term in load_glossary().values()]
