"""The page's address: a query string that holds a tab's whole state, read and written."""

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.catalogue.errors import ExplorerError, unknown

MAX_TEXT = 20_000
LONGEST_WRITTEN = 8_000  # of a value as written: servers refuse requests with longer addresses
LARGEST = 2**53  # the last whole number that a browser counts to
TRUE, FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}


def parse(name: str, text: str, component: Component) -> Any:
    """The component's value that `text` stands for.

    Raises ExplorerError, as a sentence, for a value that the component does not take.
    """
    if isinstance(component, gr.Checkbox):
        return _switch(name, text)
    if isinstance(component, gr.Number | gr.Slider):
        return _number(name, text, component)
    if isinstance(component, gr.Dropdown | gr.Radio | gr.CheckboxGroup):
        return _choice(name, text, component)
    if len(text) > MAX_TEXT:
        raise ExplorerError(f"{name} in the link has {len(text)} characters; {MAX_TEXT} at most.")
    return text


def _switch(name: str, text: str) -> bool:
    if text.lower() in TRUE | FALSE:
        return text.lower() in TRUE
    raise ExplorerError(f"{name} = {text!r:.60} in the link: it is true or false.")


def _number(name: str, text: str, component: gr.Number | gr.Slider) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ExplorerError(f"{name} = {text!r:.60} in the link is not a number.") from None
    low = -LARGEST if component.minimum is None else component.minimum
    high = LARGEST if component.maximum is None else component.maximum
    if not low <= value <= high:  # which is so of "nan" too
        raise ExplorerError(
            f"{name} = {text:.60} in the link: it lies between {low:,} and {high:,}."
        )
    return int(value) if value.is_integer() else value


def _choice(name: str, text: str, component: Component) -> Any:
    known = [value for _, value in component.choices]
    many = getattr(component, "multiselect", isinstance(component, gr.CheckboxGroup))
    wanted = [part for part in text.split(",") if part] if many else [text]
    # Choices that come only when the tab is shown (runs, say) are checked by the tab.
    wrong = [value for value in wanted if known and value not in known]
    if wrong and not getattr(component, "allow_custom_value", False):
        raise unknown(f"choice of {name}", wrong[0], [str(value) for value in known])
    return wanted if many else text


def read(
    query: Mapping[str, str], components: Mapping[str, Component]
) -> tuple[dict[str, Any], list[str]]:
    """The values that a query string gives, and a sentence for each that could not be taken."""
    values, sentences = {}, []
    for name, component in components.items():
        if name not in query:
            continue
        try:
            values[name] = parse(name, query[name], component)
        except ExplorerError as error:
            sentences.append(str(error))
    return values, sentences


def writer(tab: str, inputs: Mapping[str, Component]) -> str:
    """JavaScript that puts this tab's values into the page's address, if it is the one shown.

    It is called with the values of the tab's inputs, in order. Values at their default are left
    out, so that a link is no longer than what it says, and so are texts that are too long for one.
    """
    names, usual = list(inputs), [_plain(component.value) for component in inputs.values()]
    return f"""(...values) => setTimeout(() => {{
      if (!window.addressRead) return;  // the page is still being filled in from it
      const selected = document.querySelector('[role="tab"][aria-selected="true"]');
      if (!selected || selected.dataset.tabId !== {json.dumps(tab)}) return;
      const usual = {json.dumps(usual)};
      const query = new URLSearchParams({{ tab: {json.dumps(tab)} }});
      {json.dumps(names)}.forEach((name, i) => {{
        const value = values[i];
        if (value === null || value === undefined) return;
        if (JSON.stringify(value) === JSON.stringify(usual[i] ?? "")) return;
        const text = Array.isArray(value) ? value.join(",") : String(value);
        if (encodeURIComponent(text).length > {LONGEST_WRITTEN}) return;
        query.set(name, text);
      }});
      const theme = new URLSearchParams(window.location.search).get("__theme");
      if (theme) query.set("__theme", theme);
      window.history.replaceState(null, "", "?" + query.toString());
    }}, 0)"""


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | list) else None
