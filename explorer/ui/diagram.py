"""A drawing on the page: boxes that open, and buttons that save it as SVG or PNG."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import gradio as gr
from gradio.components import Component
from markupsafe import Markup

from explorer.catalogue.architecture import Architecture
from explorer.figures.diagram.parts import part_details
from explorer.ui.cards.sources import computed
from explorer.ui.cards.terms import explained
from explorer.ui.cards.values import number, share
from explorer.ui.markup import element, joined
from explorer.ui.saving import save_buttons

# A click, Enter or Space on a box tells the server which part or which layer it is.
OPEN_PARTS = """
const open = (event) => {
  const box = event.target.closest("[data-layer], [data-part]");
  if (!box || (event.type === "keydown" && !["Enter", " "].includes(event.key))) return;
  event.preventDefault();
  if (box.dataset.layer !== undefined) {
    trigger("entered", { layer: Number(box.dataset.layer) });
    return;
  }
  element.querySelectorAll(".selected").forEach((other) => other.classList.remove("selected"));
  box.classList.add("selected");
  trigger("opened", { part: box.dataset.part });
};
element.addEventListener("click", open);
element.addEventListener("keydown", open);
"""

COUNTED = "Every number here is counted from the shape that is drawn."
HINT = computed(
    COUNTED,
    COUNTED,
    " Select a box to see its weights, their shapes and their share of the whole.",
    tag="p",
    class_="faint hint",
)


@dataclass(frozen=True)
class Diagram:
    """The parts of a drawing on the page."""

    drawing: gr.HTML
    details: gr.HTML


def lay_out(export: Callable[..., tuple[str, str]], inputs: Sequence[Component]) -> Diagram:
    """The drawing in a box that scrolls, what a click opens, and the buttons that save it.

    `export(kind, *inputs)` gives the SVG as a document of its own, and a name for the file.
    """
    drawing = gr.HTML(js_on_load=OPEN_PARTS, elem_classes="diagram", label="Diagram")
    details = gr.HTML(elem_classes="part-details", label="Part")
    save_buttons({"svg": "Save as SVG", "png": "Save as PNG"}, export, inputs)
    return Diagram(drawing, details)


def enter(event: gr.EventData) -> tuple[str, int]:
    """The level and the layer to show when a layer of the whole model was opened."""
    return "block", int(event.layer) + 1


def part_card(arch: Architecture, part: str) -> Markup:
    """What a click on a box shows: its weights, their shapes, formula and share of the whole."""
    found = part_details(arch, part)
    rows = [
        element(
            "tr",
            element("td", weight.name, class_="code"),
            element("td", " × ".join(number(size) for size in weight.shape), class_="num"),
            element("td", number(weight.parameters), class_="num"),
            element("td", number(weight.copies), class_="num"),
            element("td", number(weight.parameters * weight.copies), class_="num"),
        )
        for weight in found.weights
    ]
    heads = ("Weight", "Shape", "Numbers", "Layers", "Together")
    table = element(
        "table",
        element("thead", element("tr", joined(element("th", head, scope="col") for head in heads))),
        element("tbody", joined(rows)),
        class_="plain",
    )
    size = f"{number(found.total)} parameters, {share(found.share, 1)} of the model"
    return computed(
        COUNTED,
        element("h3", found.name),
        element("p", element("code", found.formula), class_="formula"),
        element("p", explained(found.explanation)),
        element("p", size if found.total else "No weights of its own.", class_="faint"),
        element("div", table, class_="scroll") if rows else None,
        tag="section",
        class_="card opened",
        aria_live="polite",
    )
