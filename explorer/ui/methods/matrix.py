"""View: what each method was measured to do, as one table."""

import gradio as gr

from explorer.catalogue.catalogue import Catalogue
from explorer.ui import method_list
from explorer.ui.cards.method import ABILITIES
from explorer.ui.cards.methods_grid import capability_table
from explorer.ui.endpoint import endpoint
from explorer.ui.errors import told
from explorer.ui.methods.browse import OPEN_METHOD
from explorer.ui.tab import Page

INTRO = (
    "Every method on a tiny LLaMA with grouped-query attention, measured by this project's tests. "
    "Hover, focus or touch a mark for the reason and the versions."
)


def build(page: Page, seen: gr.State) -> gr.HTML:
    """Lay the view out; returns the table."""
    handlers = Handlers(page.catalogue)
    gr.Markdown(INTRO, elem_classes="intro")
    table = gr.HTML(js_on_load=OPEN_METHOD, label="What methods can do")
    seen.change(handlers.matrix, None, table, api_visibility="private", show_progress="hidden")
    endpoint(handlers.capabilities, api_name="method_capabilities")
    return table


class Handlers:
    """What the view answers with, over one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @told
    def matrix(self) -> str:
        """The whole table."""
        return capability_table(method_list.ordered(self.catalogue))

    def capabilities(self) -> list[dict]:
        """What each method was measured to do on a tiny LLaMA, with the reason for each no."""
        return [
            {"method": method.id, "runs": method.capability is not None}
            | {name: getattr(method.capability, name, None) for name in ABILITIES}
            | {"why": method.capability.why if method.capability else method.unsupported}
            for method in method_list.ordered(self.catalogue)
        ]
