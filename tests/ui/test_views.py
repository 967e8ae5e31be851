"""Views within a tab: each is made when it is seen, and the rest is left alone."""

import gradio as gr
import plotly.graph_objects as go

from explorer.catalogue.catalogue import load_catalogue
from explorer.ui import views
from explorer.ui.app import build_app
from explorer.ui.tab import Page

SKIPPED = gr.skip()


def test_a_view_that_is_not_shown_answers_nothing():
    answer = views.when_shown("map", lambda value: value + 1)
    assert answer("map", 1) == 2
    assert answer("scores", 1) == SKIPPED
    several = views.when_shown("map", lambda: (1, 2, 3), 3)
    assert several("map") == (1, 2, 3)
    assert several("scores") == (SKIPPED,) * 3


def test_a_choice_shows_its_view_and_no_other():
    with gr.Blocks():
        chosen = views.chooser({"one": "One", "two": "Two"})
        columns = {name: gr.Column() for name in ("one", "two")}
        views.show_chosen(chosen, columns)
    assert chosen.value == "one"


def test_a_view_is_counted_once_a_visit_and_again_when_chosen_again():
    with gr.Blocks() as app:
        visited, chosen = gr.State(0), views.chooser({"one": "One", "two": "Two"})
        page = Page(load_catalogue(), None, gr.State("light"), visited)
        views.seen(page, chosen, ["one", "two"])
    (count,) = (fn.fn for fn in app.fns.values())
    first = count(1, "two", (0, ""), 0, 0)
    assert first == [(1, "two"), SKIPPED, 1]
    assert count(1, "two", [1, "two"], 0, 1) == [SKIPPED] * 3  # the link's other event
    assert count(1, "one", (1, "two"), 0, 1) == [(1, "one"), 1, SKIPPED]
    assert count(2, "one", (1, "one"), 1, 1) == [(2, "one"), 2, SKIPPED]  # handed over to again


def test_a_tab_that_opens_makes_one_view_of_catalogue_tabs():
    """Beside the tab's own counter, an opened tab starts what counts its views, and nothing else.

    Every event more is one that the browser has to take in before the tab stands.
    """
    app = build_app()
    for tab, most in (("generations", 1), ("methods", 1), ("benchmarks", 1)):
        opened = next(b for b in app.blocks.values() if getattr(b, "elem_id", None) == f"tab-{tab}")
        selects = [fn for fn in app.fns.values() if (opened._id, "select") in fn.targets]
        (count,) = (fn for fn in selects if fn.fn is not None)
        (visited,) = count.outputs
        started = [fn for fn in app.fns.values() if (visited._id, "change") in fn.targets]
        assert len(started) == most, [fn.name for fn in started]


def test_a_tab_that_nobody_has_visited_answers_nothing():
    answer = views.when_visited(lambda value: value + 1)
    assert answer(2, 1) == 2
    assert answer(0, 1) == SKIPPED
    assert views.when_visited(lambda: (1, 2), 2)(0) == (SKIPPED,) * 2


def test_a_dark_page_draws_no_chart_that_is_not_seen():
    """A dark page says so as it opens, and every chart listens: none is drawn unseen."""
    app = build_app()
    (theme,) = (b for b in app.blocks.values() if isinstance(b, gr.State) and b.value == "light")
    drawing = [
        fn
        for fn in app.fns.values()
        if (theme._id, "change") in fn.targets and any(isinstance(o, gr.Plot) for o in fn.outputs)
    ]
    assert len(drawing) > 5
    for fn in drawing:
        answers = fn.fn(0, *[None] * (len(fn.inputs) - 1))  # the first is how often it was visited
        assert not any(isinstance(answer, go.Figure) for answer in answers), fn.name
