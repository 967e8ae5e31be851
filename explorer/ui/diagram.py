"""A drawing on the page: boxes that open, and buttons that save it as SVG or PNG."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import gradio as gr
from gradio.components import Component
from markupsafe import Markup

from explorer.catalogue.architecture import Architecture
from explorer.figures.diagram.parts import part_details
from explorer.ui.cards.values import number, share
from explorer.ui.markup import element, joined

# A click, Enter or Space on a box tells the server which part it is.
OPEN_PARTS = """
const open = (event) => {
  const box = event.target.closest("[data-part]");
  if (!box || (event.type === "keydown" && !["Enter", " "].includes(event.key))) return;
  event.preventDefault();
  element.querySelectorAll(".selected").forEach((other) => other.classList.remove("selected"));
  box.classList.add("selected");
  trigger("opened", { part: box.dataset.part });
};
element.addEventListener("click", open);
element.addEventListener("keydown", open);
"""

SAVE = """(svg, name) => {
  if (!svg) return;
  const save = (blob, kind) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name + "." + kind;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const blob = new Blob([svg], { type: "image/svg+xml" });
  if (KIND === "svg") return save(blob, "svg");
  const image = new Image();
  image.onload = () => {
    const canvas = document.createElement("canvas");
    canvas.width = 2 * image.naturalWidth;
    canvas.height = 2 * image.naturalHeight;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((png) => save(png, "png"), "image/png");
  };
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svg);
}"""


@dataclass(frozen=True)
class Diagram:
    """The parts of a drawing on the page."""

    drawing: gr.HTML
    details: gr.HTML
    save_svg: gr.Button
    save_png: gr.Button
    file: gr.Textbox
    file_name: gr.Textbox


def lay_out() -> Diagram:
    """The drawing in a box that scrolls, what a click opens, and the two buttons."""
    drawing = gr.HTML(js_on_load=OPEN_PARTS, elem_classes="diagram", label="Diagram")
    details = gr.HTML(elem_classes="part-details", label="Part")
    with gr.Row(elem_classes="actions"):
        save_svg = gr.Button("Save as SVG", size="sm")
        save_png = gr.Button("Save as PNG", size="sm")
    file = gr.Textbox(visible="hidden", label="File")
    file_name = gr.Textbox(visible="hidden", label="File name")
    return Diagram(drawing, details, save_svg, save_png, file, file_name)


def wire_saving(
    diagram: Diagram, export: Callable[..., tuple[str, str]], inputs: Sequence[Component]
) -> None:
    """Let the buttons save what `export` makes of the inputs: the SVG and a name for it."""
    for button, kind in ((diagram.save_svg, "svg"), (diagram.save_png, "png")):
        held = [diagram.file, diagram.file_name]
        drawn = button.click(export, list(inputs), held, api_visibility="private")
        drawn.then(None, held, None, js=SAVE.replace("KIND", f'"{kind}"'), api_visibility="private")


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
    return element(
        "section",
        element("h3", found.name),
        element("p", element("code", found.formula), class_="formula"),
        element("p", found.explanation),
        element("p", size if found.total else "No weights of its own.", class_="faint"),
        element("div", table, class_="scroll") if rows else None,
        class_="card opened",
        aria_live="polite",
    )
