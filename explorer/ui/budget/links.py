"""A plan as a line of text: the part of the address after `?tab=budget&`, and back."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from gradio.components import Component

from explorer.catalogue.errors import ExplorerError, unknown
from explorer.ui import address

MOST_PINS = 4
LONGEST_TEXT = address.MAX_TEXT  # characters of one input that a link carries
START = "?tab=budget"

# A click on a link that holds a plan fills the form in; with a key held it opens beside the page.
ON_PLAN_LINKS = """
element.addEventListener("click", (event) => {
  const pin = event.target.closest("button[data-pin]");
  if (pin) return trigger("unpinned", { pin: pin.dataset.pin });
  const link = event.target.closest("a[data-plan]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  trigger("taken", { plan: link.dataset.plan });
});
"""


class PlanLines:
    """Plans as text, over the form's inputs and the values that these start with."""

    def __init__(self, inputs: Mapping[str, Component]) -> None:
        self.inputs = dict(inputs)
        self.usual = {name: part.value for name, part in inputs.items()}

    def write(self, values: Mapping[str, Any], **changes: Any) -> str:
        """The line of these values with changes; what is as it starts is left out."""
        merged = dict(values) | changes
        told = {
            name: as_text(value)
            for name, value in merged.items()
            if name in self.usual and not _same(value, self.usual[name])
        }
        return urlencode({name: text for name, text in told.items() if text != ""})

    def read(self, line: str) -> dict[str, Any]:
        """Every input's value with this line. ExplorerError for a wrong name or value."""
        values = dict(self.usual)
        for name, text in parse_qsl(line.strip().removeprefix(START).lstrip("?&")):
            if name in ("tab", "view", "at"):
                continue
            if name not in self.inputs:
                raise unknown("plan setting", name, self.inputs)
            values[name] = address.parse(name, text, self.inputs[name])
        return values

    def pins(self, text: str) -> list[str]:
        """The pinned plans, a line each. ExplorerError for more than can be compared."""
        lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
        if len(lines) > MOST_PINS:
            raise ExplorerError(
                f"{len(lines)} plans are pinned; {MOST_PINS} at most are compared side by side."
            )
        return lines


def href(line: str) -> str:
    """The address of a plan."""
    return f"{START}&{line}" if line else START


def as_text(value: Any) -> str:
    """A value as a link spells it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _same(value: Any, usual: Any) -> bool:
    return as_text(value) == as_text(usual)
