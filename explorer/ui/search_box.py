"""The search box in the page's head, and links within the page that need no reload."""

import gradio as gr
from markupsafe import Markup

from explorer.catalogue.catalogue import Catalogue
from explorer.ui import search
from explorer.ui.endpoint import endpoint
from explorer.ui.errors import told
from explorer.ui.markup import element, joined

# Arrow keys walk through the hits, Escape and a click elsewhere close them.
WALK = """
const box = document.querySelector("#search");
const hits = () => [...element.querySelectorAll("a")];
let wanted = null;
const openFirst = () => {  // Enter opens the first hit as soon as the hits are those of the words
  const list = element.querySelector("ul");
  if (wanted === null || list?.dataset.words !== wanted) return;
  wanted = null;
  hits()[0]?.click();
};
watch("value", openFirst);
const close = () => { box.classList.remove("open"); };
box.addEventListener("focusin", () => box.classList.add("open"));
document.addEventListener("click", (event) => { if (!box.contains(event.target)) close(); });
element.addEventListener("click", (event) => { if (event.target.closest("a")) close(); });
box.addEventListener("keydown", (event) => {
  const field = box.querySelector("input, textarea");
  const list = hits();
  const at = list.indexOf(document.activeElement);
  if (event.key === "Escape") { close(); field.blur(); return; }
  if (event.key === "Enter" && at < 0) {
    event.preventDefault();
    wanted = field.value.trim();
    openFirst();
    return;
  }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  event.preventDefault();
  const next = at + (event.key === "ArrowDown" ? 1 : -1);
  (next < 0 ? field : list[Math.min(next, list.length - 1)])?.focus();
});
"""

# "/" puts the cursor into the box from anywhere that is not a field itself.
SHORTCUT = """() => {
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable=true]");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    document.querySelector("#search input, #search textarea").focus();
  });
}"""


def build(app: gr.Blocks, catalogue: Catalogue) -> None:
    """Lay out the box and its list of hits."""
    found = Handlers(catalogue)
    with gr.Column(elem_id="search", scale=0, min_width=280):
        words = gr.Textbox(
            "", label="Search everything", show_label=False, container=False, lines=1, max_lines=1,
            placeholder="Search everything ( / )", max_length=search.LONGEST,
        )  # fmt: skip
        hits = gr.HTML(js_on_load=WALK, elem_id="hits", label="Hits")
    words.change(  # not input, which a text that is pasted in does not say
        found.hits, words, hits, trigger_mode="always_last",
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    app.load(None, None, None, js=SHORTCUT, api_visibility="private")
    endpoint(found.search)


class Handlers:
    """What the box answers with, over one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.index = search.index(catalogue)

    @told
    def hits(self, words: str) -> str:
        """The list of hits."""
        if not words.strip():
            return ""
        found = self.index.find(words)
        if not found:
            return element("p", f"Nothing here is called {words!r}.", class_="faint none")
        listed = joined(_hit(thing) for thing in found)
        return element("ul", listed, role="list", data_words=words.strip())

    @told
    def search(self, words: str, most: int = 12) -> list[dict]:
        """Find models, methods, benchmarks, devices, tasks, terms and contradictions by words.

        Args:
            words: words that all have to be found; if nothing has them, what is spelled alike.
            most: the largest number of hits.
        """
        return [
            {
                "kind": thing.kind, "id": thing.id, "title": thing.title, "text": thing.text,
                "address": thing.address,
            }
            for thing in self.index.find(words, max(1, min(int(most), 100)))
        ]  # fmt: skip


def _hit(thing: search.Thing) -> Markup:
    return element(
        "li",
        element(
            "a",
            element("span", thing.kind, class_="kind"),
            element("span", thing.title, class_="title"),
            element("span", thing.text, class_="text"),
            href=thing.address,
        ),
    )
