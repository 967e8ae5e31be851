"""The page: a header, the tabs in order, and the links between them."""

from typing import Any
from urllib.parse import parse_qsl

import gradio as gr
from gradio.components import Component

from explorer.catalogue.catalogue import Catalogue, load_catalogue
from explorer.lab.engine import Engine
from explorer.ui import address, look, search_box
from explorer.ui.errors import warn
from explorer.ui.tab import Handover, Page, discover


def build_app(catalogue: Catalogue | None = None, engine: Engine | None = None) -> gr.Blocks:
    """The whole page as one gr.Blocks; starts no worker until something needs one."""
    catalogue = catalogue or load_catalogue()
    engine = engine or Engine()
    tabs = discover()
    handovers: list[Handover] = []
    inputs: dict[str, dict[str, Component]] = {}
    shown: dict[str, gr.Tab] = {}
    with gr.Blocks(title=look.TITLE, analytics_enabled=False, fill_width=True) as app:
        # The field says "change" again and again where several listen to it; a state only once.
        field, theme = gr.Textbox("light", visible="hidden", elem_id="theme"), gr.State("light")
        field.change(
            lambda mode: mode, field, theme, api_visibility="private", show_progress="hidden"
        )
        with gr.Row(elem_id="top"):
            gr.HTML(look.HEADER, elem_id="masthead", padding=False)
            search_box.build(app, catalogue)
        visited = {tab.id: gr.State(0) for tab in tabs}
        with gr.Tabs(elem_id="tabs") as bar:
            for tab in tabs:
                with gr.Tab(tab.title, id=tab.id, elem_id=f"tab-{tab.id}") as shown[tab.id]:
                    page = Page(catalogue, engine, theme, visited[tab.id], handovers)
                    inputs[tab.id] = tab.build(page)
        _keep_address(bar, inputs)
        _count_visits(shown, visited)
        _restore_on_load(app, bar, inputs, visited)
        for handover in handovers:
            _wire(handover, bar, inputs, visited)
        app.load(None, None, field, js=look.WATCH_THEME, api_visibility="private")
    return app


def _keep_address(bar: gr.Tabs, inputs: dict[str, dict[str, Component]]) -> None:
    """Write the address anew whenever a tab or one of its inputs changes.

    Each tab has a listener of its own: a browser looks up all that a listener is given and all that
    it listens to, which for the inputs of every tab together is slower than drawing an answer.
    """
    for tab, named in inputs.items():
        components = list(named.values())
        triggers = [bar.select, bar.change, *(component.change for component in components)]
        write = address.writer(tab, named)
        gr.on(triggers, None, components, None, js=write, api_visibility="private")


def _count_visits(shown: dict[str, gr.Tab], visited: dict[str, gr.State]) -> None:
    # Gradio says of the first tab that it is selected before the address has had its say: a tab
    # counts as visited if it is the one to be seen once the address was read.
    seen = gr.Textbox(visible=False, label="Seen")
    for tab, shown_tab in shown.items():
        times = visited[tab]
        shown_tab.select(
            lambda times, seen: 1 if seen == "yes" and not times else gr.skip(),
            [times, seen],
            times,
            js=look.WHETHER_SEEN.replace("TAB", f"tab-{tab}"),
            api_visibility="private",
            show_progress="hidden",
        )


def _restore_on_load(
    app: gr.Blocks,
    bar: gr.Tabs,
    inputs: dict[str, dict[str, Component]],
    visited: dict[str, gr.State],
) -> None:
    """Fill the page in from the address it was opened with, and from the links in it."""
    outputs = [bar, *visited.values(), *(c for named in inputs.values() for c in named.values())]

    def restore(request: gr.Request) -> dict[Any, Any]:
        return _filled(dict(request.query_params), bar, inputs, visited)

    def follow(link: str) -> dict[Any, Any]:
        return _filled(dict(parse_qsl(link, keep_blank_values=True)), bar, inputs, visited)

    link = gr.Textbox(visible="hidden", elem_id="link", label="Link")
    # A browser tells each component that progress is shown on of every later event's progress, and
    # looks it up in the whole page to do so: of two hundred inputs, a third of a slider's frame.
    quiet = {"api_visibility": "private", "show_progress": "hidden", "show_progress_on": link}
    loaded = app.load(restore, None, outputs, **quiet)
    loaded.then(None, js="() => { window.addressRead = true; }", api_visibility="private")
    link.change(follow, link, outputs, **quiet)
    for script in (look.FOLLOW_LINKS, look.ASK_AGAIN):
        app.load(None, None, None, js=script, api_visibility="private")


def _filled(
    query: dict[str, str],
    bar: gr.Tabs,
    inputs: dict[str, dict[str, Component]],
    visited: dict[str, gr.State],
) -> dict[Any, Any]:
    """The tab and the inputs that an address names; a sentence for what it gets wrong."""
    first = next(iter(inputs))
    tab = query.get("tab", first)
    if tab not in inputs:
        warn(f"There is no tab {tab!r:.60} in this page; this is the first one.")
        tab = first
    values, sentences = address.read(query, inputs[tab])
    for sentence in sentences:
        warn(sentence)
    restored = {inputs[tab][name]: value for name, value in values.items()}
    return {bar: gr.Tabs(selected=tab), visited[tab]: 1, **restored}


def _wire(
    handover: Handover,
    bar: gr.Tabs,
    inputs: dict[str, dict[str, Component]],
    visited: dict[str, gr.State],
) -> None:
    targets = [inputs[handover.tab][name] for name in handover.values]
    times = visited[handover.tab]

    def open_tab(times: int, *values: Any) -> list[Any]:
        return [gr.Tabs(selected=handover.tab), times + 1, *values]

    handover.button.click(
        open_tab,
        [times, *handover.values.values()],
        [bar, times, *targets],
        api_visibility="private",
        show_progress="hidden",
    )
