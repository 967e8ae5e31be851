"""View: what LLaMA models are used for, where they meet limits, and where the survey errs."""

import gradio as gr

from explorer.catalogue.applications import load_applications, load_challenges
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.survey import load_survey
from explorer.ui.cards.uses import survey_card, topics_card
from explorer.ui.endpoint import endpoint
from explorer.ui.errors import told
from explorer.ui.markup import joined
from explorer.ui.tab import Page


def build(page: Page, view: gr.Radio) -> None:
    """Lay the view out."""
    handlers = Handlers(page.catalogue)
    text = gr.HTML(label="Uses and limits")
    gr.on(
        [page.visited.change], handlers.page, view, text,
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    endpoint(handlers.uses_and_limits)


class Handlers:
    """What the view answers with, over one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @told
    def page(self, view: str) -> str:
        """The whole text, if this view is shown."""
        if view != "uses":
            return gr.skip()
        return joined(
            [
                topics_card("What they are used for", load_applications(), self.catalogue),
                topics_card("Where they meet limits", load_challenges(), self.catalogue),
                survey_card(load_survey()),
            ]
        )

    def uses_and_limits(self) -> dict:
        """Areas of use, challenges and the survey's inconsistencies, each with its sources."""
        return {
            "applications": [t.model_dump(mode="json") for t in load_applications().values()],
            "challenges": [t.model_dump(mode="json") for t in load_challenges().values()],
            "survey": load_survey().model_dump(mode="json"),
        }
