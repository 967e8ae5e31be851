"""A `config.json` from the visitor's disk: read in the browser, so that nothing is uploaded."""

import gradio as gr
from gradio.components import Component

from explorer.catalogue.config import LONGEST_CONFIG
from explorer.catalogue.errors import ExplorerError
from explorer.ui.budget.links import LONGEST_TEXT
from explorer.ui.errors import told

PICKER = """
<label class="file-pick"><span>Or open a config.json</span>
<input type="file" accept=".json,application/json"></label>
"""
READ = """
element.addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (!file) return;
  if (file.size > LONGEST) trigger("given", { size: file.size, text: "" });
  else {
    let text = await file.text();
    try { text = JSON.stringify(JSON.parse(text)); } catch { /* the server says what is wrong */ }
    trigger("given", { size: file.size, text });
  }
  event.target.value = "";
});
""".replace("LONGEST", str(LONGEST_CONFIG))


def lay_out() -> gr.HTML:
    """The field that opens a file."""
    return gr.HTML(PICKER, js_on_load=READ, label="config.json")


def wire(picker: gr.HTML, config: Component) -> None:
    """Put the text of an opened file into `config`."""
    picker.given(taken, None, config, api_visibility="private", show_progress="hidden")


@told
def taken(event: gr.EventData) -> str:
    """The text of the file. ExplorerError for one that is too long for a config or for a link."""
    text, size = str(event.text), int(event.size)
    if size > LONGEST_CONFIG:
        raise ExplorerError(
            f"This file has {size:,} bytes; a config.json has at most {LONGEST_CONFIG:,}."
        )
    if len(text) > LONGEST_TEXT:
        raise ExplorerError(
            f"This config has {len(text):,} characters without its spaces; a link carries "
            f"{LONGEST_TEXT:,}. Leave out what is not about the model's shape."
        )
    return text
