"""The quantization bench: a real layer under NF4, FP4 and int4, and what that costs the base."""

from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.components import Component
from markupsafe import Markup

from explorer.catalogue.knob import LINEARS
from explorer.figures.quantization_bench import error_by_block, levels_on_weights
from explorer.figures.theme import Theme
from explorer.lab.bases import EMBEDDED, checkpoints
from explorer.ui.errors import told
from explorer.ui.lab_actions import LabActions
from explorer.ui.markup import element, joined
from explorer.ui.race import mebibytes
from explorer.ui.tab import Page

ABOUT = (
    "QLoRA trains over a base whose linears hold 4 bits a weight. Choose a linear of the base: its "
    "weights are rounded here, and the whole base is read with all of its linears rounded so."
)


def quantization_panel(page: Page, actions: LabActions) -> dict[str, Component]:
    """Lay out the bench; returns what the address bar keeps."""
    with gr.Accordion("Quantization bench", open=False, elem_id="quantization-bench"):
        gr.Markdown(ABOUT)
        with gr.Row(elem_classes="pick"):
            bases = [(base.name, base.id) for base in checkpoints().values()]
            base = gr.Dropdown(bases, value=EMBEDDED, label="Base")
            layer = gr.Number(0, precision=0, minimum=0, label="Layer")
            site = gr.Dropdown(list(LINEARS), value="q_proj", label="Linear")
            go = gr.Button("Measure", variant="primary")
        doing = gr.HTML()
        with gr.Row():
            levels = gr.Plot(show_label=False, elem_id="bench-levels")
            errors = gr.Plot(show_label=False, elem_id="bench-errors")
        table = gr.HTML(elem_id="bench-table")
        found = gr.JSON(visible=False)

    @told
    def measure(base: str, layer: int, site: str) -> Iterator[tuple[Markup, Any]]:
        """What is being measured, then the report."""
        for item in actions.quantization_steps(base, layer, site):
            if isinstance(item, str):
                yield element("p", item, class_="faint"), gr.skip()
            else:
                yield Markup(""), item

    go.click(
        measure, [base, layer, site], [doing, found], api_visibility="private",
        show_progress="hidden",
    )  # fmt: skip
    gr.on(
        [found.change, page.theme.change], drawn, [found, page.theme], [levels, errors, table],
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    return {"bench_base": base, "bench_layer": layer, "bench_site": site}


def drawn(report: dict[str, Any] | None, theme: Theme) -> tuple[Any, Any, Markup]:
    """The report as two charts and a table; nothing before there is one."""
    if not report:
        return None, None, Markup("")
    return (
        levels_on_weights(report["histogram"], report["levels"], theme),
        error_by_block(report["errors"], theme),
        whole_table(report["whole"]),
    )


def whole_table(lines: list[dict[str, Any]]) -> Markup:
    """Perplexity and size of the whole base in every form."""
    plain = lines[0]
    heads = ("All linears in", "Perplexity on neutral text", "Weights", "Of 16 bits")
    head = element(
        "tr",
        element("th", heads[0], scope="col"),
        *(element("th", name, scope="col", class_="num") for name in heads[1:]),
    )
    rows = (
        element(
            "tr",
            element("th", line["name"], scope="row"),
            element("td", f"{line['perplexity']:.2f}", class_="num"),
            element("td", mebibytes(line["bytes"]), class_="num"),
            element("td", f"{100 * (line['bytes'] / plain['bytes']):.0f} %", class_="num"),
        )
        for line in lines
    )
    table = element("table", element("thead", head), element("tbody", *rows), class_="plain")
    note = "Embeddings, norms and the head keep 16 bits, as bitsandbytes leaves them."
    return joined([element("div", table, class_="scroll card"), element("p", note, class_="faint")])
