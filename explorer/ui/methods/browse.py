"""View: all methods as cards, with filters."""

import gradio as gr
from gradio.components import Component

from explorer.budget.params import count_parameters
from explorer.budget.resolve import architecture_of
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.ui import method_list, views
from explorer.ui.cards.methods_grid import method_grid
from explorer.ui.endpoint import endpoint
from explorer.ui.errors import told
from explorer.ui.tab import Page

OPEN_METHOD = """
element.addEventListener("click", (event) => {
  const card = event.target.closest("[data-method]");
  if (!card || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  trigger("opened", { method: card.dataset.method });
});
"""


def build(
    page: Page, model: gr.Dropdown, view: gr.Radio, seen: gr.State
) -> tuple[dict[str, Component], gr.HTML]:
    """Lay the view out; returns its filters by URL name, and the cards."""
    handlers = Handlers(page.catalogue)
    families = sorted({method.family for method in page.catalogue.methods.values()})
    with gr.Row(elem_classes="filters"):
        filters: dict[str, Component] = {
            "words": gr.Textbox(
                "", label="Search methods", placeholder="name, author, idea", max_length=200
            ),
            "families": gr.Dropdown(families, value=[], multiselect=True, label="Family"),
            "traits": gr.Dropdown(
                [(label, name) for name, (label, _) in method_list.TRAITS.items()],
                value=[], multiselect=True, label="Only those that",
            ),
        }  # fmt: skip
    cards = gr.HTML(js_on_load=OPEN_METHOD, label="Methods")
    inputs = [*filters.values(), model]
    gr.on(
        [seen.change, *(part.change for part in inputs)],
        views.when_shown("browse", handlers.browse), [view, *inputs], cards,
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    endpoint(handlers.methods)
    return filters, cards


class Handlers:
    """What the view answers with, over one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @told
    def browse(self, words: str, families: list[str], traits: list[str], model: str) -> str:
        """The cards of the methods that pass the filters, counted on this model."""
        arch = architecture_of(model, self.catalogue)
        found = method_list.filtered(self.catalogue, families, traits, words)
        counted = [(method, method_list.counted(arch, method)) for method in found]
        return method_grid(counted, count_parameters(arch).total)

    @told
    def methods(self, family: str = "", trait: str = "", model: str = "llama-3.1-8b") -> list[dict]:
        """Fine-tuning methods with family, abilities and trainable parameters on a model.

        Args:
            family: a family such as "low-rank", or empty for all.
            trait: "survey", "merges", "four-bit", "eight-bit", "starts-as-base", "runs", or empty.
            model: id of the model that the parameters are counted on.
        """
        families = {method.family for method in self.catalogue.methods.values()}
        if family and family not in families:
            raise unknown("family", family, families)
        if trait and trait not in method_list.TRAITS:
            raise ExplorerError(
                f"trait = {trait!r:.60}: it is one of {', '.join(method_list.TRAITS)}."
            )
        arch = architecture_of(model, self.catalogue)
        found = method_list.filtered(
            self.catalogue, [family] if family else [], [trait] if trait else []
        )
        return [method_list.summary(arch, method) for method in found]

    def opened(self, event: gr.EventData) -> tuple[str, str]:
        """The method whose card was opened, and the view that shows it."""
        return self.catalogue.method(event.method).id, "method"
