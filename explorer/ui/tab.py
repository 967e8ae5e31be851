"""What a tab is, and what it gets to build itself with."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field

import gradio as gr

from explorer.catalogue.catalogue import Catalogue
from explorer.lab.engine import Engine
from explorer.ui import tabs


@dataclass(frozen=True)
class Handover:
    """A button that opens another tab with some of its inputs filled in."""

    button: gr.Button
    tab: str
    values: dict[str, gr.components.Component]


@dataclass(frozen=True)
class Page:
    """The page as a tab sees it while it builds.

    `theme` holds "light" or "dark" and changes when the visitor switches. `visited` belongs to the
    tab that is being built: it changes when the tab is first shown, handed over to or restored
    from a link, so `page.visited.change(draw, …)` draws exactly when there is something to see.
    """

    catalogue: Catalogue
    engine: Engine
    theme: gr.State
    visited: gr.State
    handovers: list[Handover] = field(default_factory=list)

    def hand_over(
        self, button: gr.Button, tab: str, values: dict[str, gr.components.Component]
    ) -> None:
        """Make `button` open `tab`, with the current `values` as its inputs, by their URL names."""
        self.handovers.append(Handover(button, tab, values))


@dataclass(frozen=True)
class Tab:
    """One tab: `build` lays it out and returns the inputs that a link restores, by URL name."""

    id: str
    title: str
    order: int
    build: Callable[[Page], dict[str, gr.components.Component]]


def discover() -> tuple[Tab, ...]:
    """Every tab in `explorer.ui.tabs`, in order; a broken tab module is not hidden."""
    names = [found.name for found in pkgutil.iter_modules(tabs.__path__)]
    modules = [importlib.import_module(f"{tabs.__name__}.{name}") for name in names]
    return tuple(sorted((m.TAB for m in modules if hasattr(m, "TAB")), key=lambda tab: tab.order))
