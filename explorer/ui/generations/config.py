"""View: the drawing and the figures of a pasted Hugging Face config.json."""

import json

import gradio as gr

from explorer.catalogue.config import architecture_from_text
from explorer.ui import diagram, drawings, views
from explorer.ui.cards.shape import shape_card
from explorer.ui.endpoint import endpoint
from explorer.ui.errors import told
from explorer.ui.tab import Page

NAME = "Your config"
EXAMPLE = {
    "model_type": "llama",
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "vocab_size": 128256,
    "tie_word_embeddings": True,
    "rope_theta": 500000.0,
    "max_position_embeddings": 131072,
    "rms_norm_eps": 1e-05,
}


def build(page: Page, view: gr.Radio, seen: gr.State) -> None:
    """Lay the view out. The text stays on this page: no link carries it."""
    gr.Markdown(
        "Paste the `config.json` of a LLaMA-shaped model (llama, mllama or llama4), or edit this "
        "one. It is read on this machine and kept nowhere.",
        elem_classes="intro",
    )
    text = gr.Code(
        json.dumps(EXAMPLE, indent=2), language="json", label="config.json", max_lines=16
    )
    with gr.Row(elem_classes="pick"):
        level = views.chooser(drawings.LEVELS, "Level")
        layer = gr.Slider(1, 126, value=1, step=1, label="Layer", scale=1)
        draw = gr.Button("Draw it", variant="primary", scale=1, min_width=120)
    card = gr.HTML()
    inputs = [text, level, layer]
    parts = diagram.lay_out(export, [*inputs, page.theme])
    gr.on(
        [seen.change, draw.click, level.change, layer.release, layer.change],
        drawing, [view, *inputs], [card, parts.drawing, parts.details, layer],
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    parts.drawing.opened(
        opened, text, parts.details, api_visibility="private", show_progress="hidden"
    )
    parts.drawing.entered(
        diagram.enter, None, [level, layer], api_visibility="private", show_progress="hidden"
    )
    endpoint(config_shape)
    endpoint(config_diagram)


@told
def drawing(view: str, text: str, level: str, layer: int) -> tuple[str, str, str, dict]:
    """Figures, drawing, details box, and the slider with as many steps as layers."""
    if view != "config":
        return gr.skip(), gr.skip(), gr.skip(), gr.skip()
    arch = architecture_from_text(text or "")
    layer = min(layer, arch.num_hidden_layers)
    svg = drawings.draw(arch, NAME, level, layer - 1)
    layers = arch.num_hidden_layers
    slider = gr.update(maximum=layers, value=layer, visible=level == "block")
    return shape_card(arch), svg, diagram.HINT, slider


@told
def opened(text: str, event: gr.EventData) -> str:
    """What is inside the box that was opened."""
    return diagram.part_card(architecture_from_text(text), event.part)


@told
def export(kind: str, text: str, level: str, layer: int, theme: str) -> tuple[str, str]:
    """The drawing as a file of its own, and its name."""
    arch = architecture_from_text(text)
    svg = drawings.draw(arch, NAME, level, layer - 1, drawings.file_style(theme))
    return svg, f"config-{level}-{layer}.{kind}"


@told
def config_shape(config: str) -> dict:
    """The shape that a Hugging Face config.json describes, with defaults filled in.

    Args:
        config: the text of the config.json of a llama, mllama or llama4.
    """
    return architecture_from_text(config).model_dump(mode="json")


@told
def config_diagram(config: str, level: str = "model", layer: int = 1, theme: str = "light") -> str:
    """The drawing of a pasted config.json as an SVG document.

    Args:
        config: the text of the config.json of a llama, mllama or llama4.
        level: "model" (all of it), "block" (one layer) or "vision" (the image encoder).
        layer: which layer, from 1.
        theme: "light" or "dark".
    """
    return export("svg", config, level, layer, theme)[0]
