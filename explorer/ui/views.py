"""Views within a tab: a row of buttons of which one is on, and the column that it shows."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gradio as gr

from explorer.ui.tab import Page


def chooser(names: Mapping[str, str], label: str = "View") -> gr.Radio:
    """The buttons: `names` are titles by the value that the address bar keeps; the first is on."""
    choices = [(title, value) for value, title in names.items()]
    return gr.Radio(
        choices,
        value=choices[0][1],
        label=label,
        show_label=False,
        elem_classes="segmented",
        container=False,
    )


def show_chosen(chosen: gr.Radio, columns: Mapping[str, gr.Column]) -> None:
    """Let the chosen view's column be seen and no other; in the browser, so without a wait."""
    names = json.dumps(list(columns))
    show = (
        f"(chosen) => {names}.map((name) => ({{ __type__: 'update', visible: name === chosen }}))"
    )
    chosen.change(None, chosen, list(columns.values()), js=show, api_visibility="private")


def seen(page: Page, chosen: gr.Radio, names: Iterable[str]) -> dict[str, gr.State]:
    """For each view a state that changes whenever the view comes to be seen.

    What a view shows is made when its state changes: a tab that opens makes what is seen and
    nothing else, and the browser has no answers to take in for the rest.
    """
    times = {name: gr.State(0) for name in names}
    last = gr.State((0, ""))  # the visit and the view that were counted

    def count_visit(visit: int, view: str, before: tuple[int, str], *counts: int) -> list[Any]:
        if (visit, view) == tuple(before):  # a link sets visit and view at once, and both call
            return [gr.skip()] * (1 + len(counts))
        pairs = zip(times, counts, strict=True)
        return [(visit, view), *(n + 1 if name == view else gr.skip() for name, n in pairs)]

    gr.on(
        [page.visited.change, chosen.change], count_visit,
        [page.visited, chosen, last, *times.values()], [last, *times.values()],
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    return times


def when_visited(answer: Callable[..., Any], outputs: int = 1) -> Callable[..., Any]:
    """A handler that takes `page.visited` before its inputs, and answers only if it has been.

    For what changes with the theme: a dark page says so as it opens, to every tab at once.
    """

    def visited(times: int, *values: Any) -> Any:
        if times:
            return answer(*values)
        return gr.skip() if outputs == 1 else (gr.skip(),) * outputs

    return visited


def when_shown(name: str, answer: Callable[..., Any], outputs: int = 1) -> Callable[..., Any]:
    """A handler that takes the chosen view before its inputs, and answers only if that is `name`.

    For what inputs of a view change while another is seen. `outputs` is the number of components
    that it answers for.
    """

    def seen(chosen: str, *values: Any) -> Any:
        if chosen == name:
            return answer(*values)
        return gr.skip() if outputs == 1 else (gr.skip(),) * outputs

    return seen
