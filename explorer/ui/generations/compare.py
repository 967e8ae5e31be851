"""View: what changed from one model to others, and what each change costs."""

import gradio as gr
from gradio.components import Component

from explorer.catalogue.catalogue import Catalogue
from explorer.ui import changes, models_table, views
from explorer.ui.cards.changes import comparison, lineage_card
from explorer.ui.cards.model import display_name
from explorer.ui.endpoint import endpoint
from explorer.ui.errors import told
from explorer.ui.tab import Page

NAME = "changes"  # of this view
FIRST = ["llama-2-7b", "llama-3.1-8b"]
INTRO = (
    "The first model is the reference. Under each changed figure stands what this one change, "
    "with everything else as in the reference, costs or saves."
)


def build(page: Page, view: gr.Radio, seen: gr.State) -> dict[str, Component]:
    """Lay the view out; returns its inputs by URL name."""
    handlers = Handlers(page.catalogue)
    names = [(display_name(m), m.id) for m in models_table.ordered(page.catalogue)]
    with gr.Row(elem_classes="pick"):
        models = gr.Dropdown(
            names, value=FIRST, multiselect=True, max_choices=changes.MOST, scale=4, min_width=320,
            label=f"Models ({changes.FEWEST} to {changes.MOST}, the first is the reference)",
        )  # fmt: skip
        alike = gr.Checkbox(label="Show what is the same too", scale=1, min_width=220)
    gr.Markdown(INTRO, elem_classes="intro")
    table = gr.HTML()
    story = gr.HTML()
    gr.on(
        [seen.change, models.change, alike.change],
        views.when_shown(NAME, handlers.compare, 2), [view, models, alike], [table, story],
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    endpoint(handlers.model_changes)
    return {"models": models, "alike": alike}


class Handlers:
    """What the view answers with, over one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @told
    def compare(self, models: list[str], alike: bool) -> tuple[str, str]:
        """The comparison, and what the generations on the way changed, as HTML."""
        if len(models) < changes.FEWEST:
            return '<p class="faint">Choose a second model.</p>', ""
        found = changes.pick(self.catalogue, models)
        path = changes.lineage(self.catalogue, found[0], found[-1])
        return comparison(found, changes.changes(found, alike)), lineage_card(path)

    @told
    def model_changes(self, models: list[str]) -> list[dict]:
        """What differs between two to four models, and what each change alone costs.

        Args:
            models: ids of models; the first is the reference.
        """
        found = changes.pick(self.catalogue, models)
        return [
            {
                "group": group,
                "field": row.field.name,
                "why": row.field.why,
                "values": {
                    model.id: fact.model_dump(mode="json") if fact else None
                    for model, fact in zip(found, row.facts, strict=True)
                },
                "cost_alone": {
                    model.id: vars(cost) if cost else None
                    for model, cost in zip(found, row.costs, strict=True)
                },
            }
            for group, rows in changes.changes(found).items()
            for row in rows
        ]
