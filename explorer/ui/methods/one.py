"""View: one method, its drawing on a model with knobs that move it, and all that is known of it."""

from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.budget.params import count_parameters
from explorer.budget.resolve import architecture_of
from explorer.budget.trainable import count_trainable
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.method import Method
from explorer.figures.diagram.block import INLINE, Rendering
from explorer.figures.diagram.method import draw_method
from explorer.ui import diagram, drawings, method_list, settings, views
from explorer.ui.cards.method import method_facts, method_figures, method_head
from explorer.ui.cards.model import display_name
from explorer.ui.cards.results import results_card
from explorer.ui.endpoint import endpoint
from explorer.ui.errors import told
from explorer.ui.knob_form import knob_inputs
from explorer.ui.settings import read as read_settings
from explorer.ui.snippets import snippet
from explorer.ui.tab import Page

NAME = "method"  # of this view
QUIET = {"api_visibility": "private", "show_progress": "hidden"}
LATEX = [{"left": "$$", "right": "$$", "display": True}]


def build(page: Page, model: gr.Dropdown, view: gr.Radio, seen: gr.State) -> dict[str, Component]:
    """Lay the view out; returns its inputs by URL name."""
    handlers = Handlers(page.catalogue)
    names = [(method.name, method.id) for method in method_list.ordered(page.catalogue)]
    with gr.Row(elem_classes="pick"):
        method = gr.Dropdown(names, value="lora", label="Method", scale=4, min_width=240)
        budget = gr.Button("Budget it", variant="primary", scale=1, min_width=140)
        lab = gr.Button("Try it in the Lab", scale=1, min_width=140)
    head = gr.HTML()
    equation = gr.Markdown(latex_delimiters=LATEX, elem_classes="equation", label="Equation")
    figures = gr.HTML()
    chosen = gr.Textbox("", visible="hidden", label="Settings", max_length=2000)
    with gr.Accordion("Knobs", open=True):
        _knobs(page, handlers, seen, view, method, chosen)
    layer = gr.Slider(
        0, 126, value=0, step=1, label="Layer", info="0: the topmost that has any of it"
    )
    inputs = [method, model, chosen, layer]
    parts = diagram.lay_out(handlers.export, [*inputs, page.theme])
    facts, results = gr.HTML(), gr.HTML()
    with gr.Row():
        code = gr.Code(language="python", label="With peft", interactive=False)
        bibtex = gr.Code(label="BibTeX", interactive=False)
    card = [head, equation, facts, results, bibtex]
    gr.on(
        [seen.change, method.change],
        views.when_shown(NAME, handlers.card, len(card)), [view, method], card, **QUIET,
    )  # fmt: skip
    method.change(handlers.settings_that_fit, [method, chosen], chosen, **QUIET)
    gr.on(
        [seen.change, *(part.change for part in inputs)],
        views.when_shown(NAME, handlers.drawing, 5), [view, *inputs],
        [figures, parts.drawing, parts.details, layer, code], **QUIET,
    )  # fmt: skip
    parts.drawing.opened(handlers.opened, model, parts.details, **QUIET)
    _hand_over(page, method, model, chosen, budget, lab)
    for name in ("method", "method_diagram", "trainable_parameters"):
        endpoint(getattr(handlers, name), api_name=name)
    return {"method": method, "set": chosen, "layer": layer}


def _knobs(
    page: Page,
    handlers: "Handlers",
    seen: gr.State,
    view: gr.Radio,
    method: gr.Dropdown,
    chosen: gr.Textbox,
) -> None:
    triggers = [seen.change, method.change]

    # One at a time: two renders of one visit write into the same table of parts, and both fail.
    @gr.render([view, method, chosen], triggers, show_progress="hidden", concurrency_limit=1)
    def form(shown: str, name: str, text: str) -> None:
        if shown != NAME:
            return
        record = page.catalogue.method(name)
        values = settings.values(record, settings.fitting(record, text))
        with gr.Row(elem_classes="knobs"):
            inputs = knob_inputs(record, values)
        for part in inputs.values():
            # Not change: what a form says of itself while it is replaced is no one's wish. And not
            # input alone, which a text that is pasted in does not say.
            pasted = [part.blur] if isinstance(part, gr.Textbox | gr.Number) else []
            gr.on(
                [part.input, *pasted], handlers.collect(record), list(inputs.values()), chosen,
                trigger_mode="always_last", **QUIET,
            )  # fmt: skip


def _hand_over(
    page: Page,
    method: Component,
    model: Component,
    chosen: Component,
    budget: gr.Button,
    lab: gr.Button,
) -> None:
    page.hand_over(budget, "budget", {"model": model, "method": method, "knobs": chosen})
    several = gr.Dropdown(
        method.choices, value=[method.value], multiselect=True, visible=False, label="Methods"
    )
    knobs = gr.Textbox(visible=False, label="Knobs")
    gr.on([method.change, chosen.change], for_the_lab, [method, chosen], [several, knobs], **QUIET)
    page.hand_over(lab, "lab", {"methods": several, "knobs": knobs})


@told
def for_the_lab(method: str, text: str) -> tuple[list[str], str]:
    """The method and its settings as the Lab takes them."""
    named = {f"{method}.{name}": value for name, value in settings.read(text).items()}
    return [method], settings.write(named)


class Handlers:
    """What the view answers with, over one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @told
    def card(self, method: str) -> tuple[str, str, str, str, str]:
        """Head, equation, facts, published results and BibTeX of a method."""
        found = self.catalogue.method(method)
        equation = f"$$\n{found.equation}\n$$"
        bibtex = found.paper.bibtex if found.paper else "% no paper of its own"
        return method_head(found), equation, method_facts(found), results_card(found), bibtex

    @told
    def settings_that_fit(self, method: str, text: str) -> str:
        """Of the settings, those that this method takes too."""
        return settings.fitting(self.catalogue.method(method), text)

    def collect(self, method: Method) -> Callable[..., str]:
        """What turns the values of the method's inputs into settings."""

        def collected(*values: Any) -> str:
            return settings.changed(method, dict(zip(method.knobs, values, strict=True)))

        return told(collected)

    @told
    def drawing(
        self, method: str, model: str, text: str, layer: int
    ) -> tuple[str, str, str, dict, str]:
        """Figures, drawing, details box, layer slider and code for these settings."""
        found, arch = self.catalogue.method(method), architecture_of(model, self.catalogue)
        knobs = settings.values(found, settings.fitting(found, text))
        name = display_name(self.catalogue.model(model))
        figures = method_figures(
            found, count_trainable(arch, found, knobs), count_parameters(arch).total, name
        )
        layer = min(int(layer), arch.num_hidden_layers)
        svg = self._draw(found, model, knobs, layer)
        slider = gr.update(maximum=arch.num_hidden_layers, value=layer)
        return figures, svg, diagram.HINT, slider, snippet(found, knobs)

    def _draw(
        self, method: Method, model: str, knobs: dict, layer: int, style: Rendering = INLINE
    ) -> str:
        record = self.catalogue.model(model)
        arch = architecture_of(model, self.catalogue)
        shown = layer - 1 if layer else None
        return draw_method(arch, method, knobs, display_name(record), shown, style)

    @told
    def opened(self, model: str, event: gr.EventData) -> str:
        """What is inside the box that was opened."""
        return diagram.part_card(architecture_of(model, self.catalogue), event.part)

    @told
    def export(
        self, kind: str, method: str, model: str, text: str, layer: int, theme: str
    ) -> tuple[str, str]:
        """The drawing as a file of its own, and its name."""
        found = self.catalogue.method(method)
        knobs = settings.values(found, text)
        svg = self._draw(found, model, knobs, int(layer), drawings.file_style(theme))
        return svg, f"{method}-on-{model}.{kind}"

    @told
    def method(self, method: str) -> dict:
        """Everything that is known of a method: idea, equation, knobs, formula, abilities, caveats.

        Args:
            method: id of a method, such as "lora" or "llama-adapter-v2".
        """
        return self.catalogue.method(method).model_dump(mode="json")

    @told
    def method_diagram(
        self, method: str, model: str = "llama-3.1-8b", settings: str = "", layer: int = 0
    ) -> str:
        """A layer of a model with a method drawn on it, as an SVG document.

        Args:
            method: id of a method, such as "lora".
            model: id of a model.
            settings: knobs that differ from their defaults: "r=16; target_modules=q_proj,v_proj".
            layer: which layer, from 1; 0 is the topmost that has any of it.
        """
        return self.export("svg", method, model, settings, layer, "light")[0]

    @told
    def trainable_parameters(
        self, method: str, model: str = "llama-3.1-8b", settings: str = ""
    ) -> dict:
        """How many parameters a method trains on a model: total, per cent, by linear, formula.

        Args:
            method: id of a method, such as "lora".
            model: id of a model.
            settings: knobs that differ from their defaults: "r=16; target_modules=q_proj,v_proj".
        """
        found, arch = self.catalogue.method(method), architecture_of(model, self.catalogue)
        counted = count_trainable(arch, found, read_settings(settings))
        return vars(counted) | {"formula": found.trainable.formula}
