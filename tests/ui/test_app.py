"""The page as a whole: tabs found, endpoints named and described, state free."""

import gradio as gr
import pytest

from explorer.ui.app import build_app
from explorer.ui.tab import discover


@pytest.fixture(scope="module")
def app():
    return build_app()


def public(app):
    return [fn for fn in app.fns.values() if fn.api_visibility == "public"]


def test_tabs_come_in_order_with_names_of_their_own():
    tabs = discover()
    assert [tab.title for tab in tabs] == [
        "Generations",
        "Methods",
        "Budget",
        "Benchmarks",
        "Lab",
        "Compare",
    ]
    assert len({tab.id for tab in tabs}) == len({tab.order for tab in tabs}) == len(tabs)


def test_every_public_endpoint_has_a_name_a_docstring_and_types(app):
    found = public(app)
    assert len(found) > 10
    for endpoint in found:
        assert endpoint.fn is not None, endpoint.api_name
        assert endpoint.fn.__doc__, f"{endpoint.api_name} has no docstring"
        assert endpoint.fn.__annotations__, f"{endpoint.api_name} has no types"
    names = [endpoint.api_name for endpoint in found]
    assert len(set(names)) == len(names)


def test_no_public_endpoint_takes_or_gives_a_state(app):
    for endpoint in public(app):
        held = [*endpoint.inputs, *endpoint.outputs]
        assert not any(isinstance(part, gr.State) for part in held), endpoint.api_name


def test_nothing_but_tabs_lies_in_the_tab_bar(app):
    bars = [block for block in app.blocks.values() if isinstance(block, gr.Tabs)]
    assert bars
    for bar in bars:
        assert all(isinstance(child, gr.Tab) for child in bar.children)


def test_parts_of_one_visit_are_rendered_one_after_another(app):
    """Gradio keeps them in one table, and two renders at once fail over its changing."""
    rendering = [fn for fn in app.fns.values() if fn.renderable]
    assert len(rendering) == 1
    assert rendering[0].concurrency_limit == 1
