"""View: every contradiction between sources that was found."""

import gradio as gr
from gradio.components import Component

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.contradiction import Contradiction, load_contradictions
from explorer.ui.cards.contradictions import contradictions_card
from explorer.ui.cards.model import display_name
from explorer.ui.endpoint import endpoint
from explorer.ui.errors import told
from explorer.ui.tab import Page

INTRO = "Where two sources disagree, both stand here, and which of them is used, and why."


def build(page: Page, view: gr.Radio) -> dict[str, Component]:
    """Lay the view out; returns its inputs by URL name."""
    handlers = Handlers(page.catalogue)
    gr.Markdown(INTRO, elem_classes="intro")
    kinds = sorted({item.kind for item in load_contradictions()})
    with gr.Row(elem_classes="filters"):
        about = gr.Dropdown(kinds, value=[], multiselect=True, label="About")
        words = gr.Textbox("", label="Search contradictions", max_length=200)
    found = gr.HTML(label="Contradictions")
    gr.on(
        [page.visited.change, about.change, words.change],
        handlers.cards, [view, about, words], found,
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    endpoint(handlers.contradictions)
    return {"about": about, "find": words}


def chosen(about: list[str], words: str) -> list[Contradiction]:
    """The contradictions of these kinds (all if none) with all these words."""
    terms = words.lower().split()
    return [
        item
        for item in load_contradictions()
        if (not about or item.kind in about)
        and all(term in item.model_dump_json().lower() for term in terms)
    ]


class Handlers:
    """What the view answers with, over one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.names = {m.id: display_name(m) for m in catalogue.models.values()}
        self.names |= {m.id: m.name for m in catalogue.methods.values()}

    @told
    def cards(self, view: str, about: list[str], words: str) -> str:
        """The cards, if this view is shown."""
        if view != "contradictions":
            return gr.skip()
        return contradictions_card(chosen(about, words), self.names)

    def contradictions(self, words: str = "") -> list[dict]:
        """Contradictions between sources about LLaMA models and methods, and what is used here.

        Args:
            words: words that all have to appear, or empty for all contradictions.
        """
        return [item.model_dump(mode="json") for item in chosen([], words)]
