"""How the page looks: theme, style sheet, header. System fonts, nothing fetched from anywhere."""

from pathlib import Path

import gradio as gr

TITLE = "LLaMA & PEFT explorer"
STYLE = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.rglob("style.css"))
)
SANS = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]

HEADER = """
<header class="masthead">
  <div>
    <h1>LLaMA &amp; PEFT explorer</h1>
    <p>How LLaMA 1 became LLaMA 4, what fine-tuning a sliver of it costs, and what that does
    when you try it here.</p>
  </div>
  <button type="button" class="theme-switch" aria-label="Switch between light and dark"
    onclick="document.body.classList.toggle('dark'); window.keepTheme()">◐</button>
</header>
"""

# Tells the server once, and again at every switch, whether the page is dark. What was chosen with
# the switch holds the next time too, unless a link asks for the other (`__theme`).
WATCH_THEME = """() => {
  const mode = () => document.body.classList.contains("dark") ? "dark" : "light";
  window.keepTheme = () => localStorage.setItem("theme", mode());
  const kept = localStorage.getItem("theme");
  if (kept && !new URLSearchParams(window.location.search).get("__theme"))
    document.body.classList.toggle("dark", kept === "dark");
  if (!window.themeWatcher) {
    window.themeWatcher = new MutationObserver(() => {
      const field = document.querySelector("#theme textarea, #theme input");
      if (!field || field.value === mode()) return;
      field.value = mode();
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
    window.themeWatcher.observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }
  return mode();
}"""

# A link to a place in this page fills the page in; with a key held it opens beside it as usual.
FOLLOW_LINKS = """() => {
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="?tab="]');
    if (!link || event.defaultPrevented || event.button) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const field = document.querySelector("#link textarea, #link input");
    field.value = link.getAttribute("href").slice(1) + "&at=" + Date.now();
    field.dispatchEvent(new Event("input", { bubbles: true }));
    window.scrollTo({ top: 0 });
  });
}"""

# What cannot be taken back is asked again, before the server hears of it.
ASK_AGAIN = """() => {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.for-good");
    if (!button || window.confirm(button.innerText.trim() + ", for good?")) return;
    event.stopImmediatePropagation();
    event.preventDefault();
  }, { capture: true });
}"""


def theme() -> gr.themes.Base:
    """The Gradio theme: quiet surfaces, one accent, fonts of the reader's own system."""
    base = gr.themes.Base(
        primary_hue=gr.themes.colors.indigo,
        secondary_hue=gr.themes.colors.slate,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_md,
        font=SANS,
        font_mono=MONO,
    )
    # Gradio's quiet colours fall short of a contrast of 4.5 against their ground.
    return base.set(
        color_accent="*primary_600",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_300",
    )


# Whether the tab TAB is the one to be seen, as soon as the page has read its address.
WHETHER_SEEN = """async (times) => {
  while (!window.addressRead) await new Promise((next) => setTimeout(next, 20));
  await new Promise((next) => setTimeout(next, 0));
  return [times, document.querySelector("#TAB")?.checkVisibility() ? "yes" : ""];
}"""
