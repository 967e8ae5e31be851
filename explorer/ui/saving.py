"""Save what is shown as a file: in the browser, so that nothing is written on the server."""

from collections.abc import Callable, Sequence

import gradio as gr
from gradio.components import Component

TYPES = {
    "svg": "image/svg+xml",
    "csv": "text/csv;charset=utf-8",
    "json": "application/json",
    "bib": "text/plain;charset=utf-8",
}

SAVE = """(text, name) => {
  if (!text) return;
  const save = (blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  if (!name.endsWith(".png")) return save(new Blob([text], { type: "TYPE" }));
  const image = new Image();
  image.onload = () => {
    const canvas = document.createElement("canvas");
    canvas.width = 2 * image.naturalWidth;
    canvas.height = 2 * image.naturalHeight;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob(save, "image/png");
  };
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
}"""


def save_buttons(
    titles: dict[str, str], export: Callable[..., tuple[str, str]], inputs: Sequence[Component]
) -> None:
    """A row of small buttons: `titles` by kind of file ("svg", "png", "csv", "json").

    `export(kind, *inputs)` gives the file's text (for "png" the SVG) and its name with the ending.
    """
    # Gradio forgets "hidden" where a column around it comes into view: the style sheet does not.
    text = gr.Textbox(visible="hidden", label="File", elem_classes="unseen-field")
    name = gr.Textbox(visible="hidden", label="File name", elem_classes="unseen-field")
    with gr.Row(elem_classes="actions"):
        buttons = {kind: gr.Button(title, size="sm") for kind, title in titles.items()}
    for kind, button in buttons.items():
        wanted = gr.Textbox(kind, visible=False)
        made = button.click(export, [wanted, *inputs], [text, name], api_visibility="private")
        script = SAVE.replace("TYPE", TYPES.get(kind, "text/plain"))
        made.then(None, [text, name], None, js=script, api_visibility="private")
