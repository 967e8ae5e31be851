"""A `config.json` from the visitor's disk, read in the browser, or of a base registered here.

No path is taken from a visitor: what can be read on this machine are the folders in `models/`.
"""

import json

import gradio as gr
from gradio.components import Component

from explorer.catalogue.config import LONGEST_CONFIG
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.lab.base_folder import Base
from explorer.lab.bases import checkpoints, find_base
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


def wire(config: Component) -> None:
    """The fields that open a file and that pick a base; both put its text into `config`."""
    picker = gr.HTML(PICKER, js_on_load=READ, label="config.json")
    picker.given(taken, None, config, api_visibility="private", show_progress="hidden")
    names = {name: checkpoints()[name].name for name in here()}
    if names:
        base = gr.Dropdown(
            [("none", ""), *((title, name) for name, title in names.items())],
            value="", label="Or take that of a base on this machine",
        )  # fmt: skip
        base.input(of_base, base, config, api_visibility="private", show_progress="hidden")


def here() -> dict[str, Base]:
    """The registered bases that are on this machine and have a config.json."""
    found = {}
    for name in checkpoints():
        try:
            base = find_base(name)
        except ExplorerError:  # not here; the Lab says how to get it
            continue
        if base.config:
            found[name] = base
    return found


@told
def of_base(name: str) -> str:
    """The config of a registered base without its spaces; no text for no name."""
    if not name:
        return ""
    known = here()
    if name not in known:
        raise unknown("base on this machine", name, known)
    return _short(json.dumps(known[name].config, separators=(",", ":")))


@told
def taken(event: gr.EventData) -> str:
    """The text of the file. ExplorerError for one that is too long for a config or for a link."""
    text, size = str(event.text), int(event.size)
    if size > LONGEST_CONFIG:
        raise ExplorerError(
            f"This file has {size:,} bytes; a config.json has at most {LONGEST_CONFIG:,}."
        )
    return _short(text)


def _short(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise ExplorerError(
            f"This config has {len(text):,} characters without its spaces; a link carries "
            f"{LONGEST_TEXT:,}. Leave out what is not about the model's shape."
        )
    return text
