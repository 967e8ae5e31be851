"""What is written finds its room: nothing is cut off, covered or out of reach."""

import json

import pytest

pytestmark = pytest.mark.browser

SECONDS = 30_000
# Elements whose words are wider than the box that they stand in.
OVERFLOWING = """(boxes) => boxes.filter((box) => {
  const words = document.createRange();
  words.selectNodeContents(box);
  return words.getBoundingClientRect().right > box.getBoundingClientRect().right + 1;
}).map((box) => box.innerText)"""


@pytest.mark.parametrize("width", [1280, 390])
def test_a_count_of_twelve_digits_stays_in_its_box(visit, width):
    page = visit("?tab=generations&view=config", width=width)
    field = page.locator(".cm-content").first
    field.click()
    page.keyboard.press("ControlOrMeta+a")
    shape = {"hidden_size": 16384, "intermediate_size": 53248, "num_hidden_layers": 126}
    heads = {"num_attention_heads": 128, "num_key_value_heads": 8, "vocab_size": 128256}
    page.keyboard.insert_text(json.dumps({"model_type": "llama", **shape, **heads}))
    page.get_by_role("button", name="Draw it").click()
    page.get_by_text("405,853,388,800", exact=True).wait_for(timeout=SECONDS)
    assert page.locator(".figure").evaluate_all(OVERFLOWING) == []


def test_a_long_name_does_not_lie_over_its_neighbour(visit):
    page = visit("?tab=methods&view=abilities")
    name = page.locator("table.matrix tbody th", has_text="Adaption prompt")
    name.wait_for(timeout=SECONDS)
    link, beside = name.locator("a").bounding_box(), name.locator("+ td").bounding_box()
    assert link["x"] + link["width"] <= beside["x"]


def test_the_heat_map_scrolls_on_a_phone(visit):
    page = visit("?tab=benchmarks&view=map", width=390)
    page.locator("#chart-map .js-plotly-plot").wait_for(timeout=SECONDS)
    page.locator("#chart-map").hover()
    page.mouse.wheel(300, 0)
    page.wait_for_function("document.querySelector('#chart-map').scrollLeft > 100")


def test_no_button_of_a_chart_covers_it_on_a_phone_and_the_foot_leads_to_the_api(visit):
    page = visit("?tab=benchmarks&view=full", width=390)
    page.locator("#chart-full .js-plotly-plot").wait_for(timeout=SECONDS)
    assert not page.locator("#chart-full .modebar").is_visible()
    page.get_by_role("button", name="Use via API or MCP").click()
    page.get_by_text("MCP Server URL").first.wait_for(timeout=SECONDS)


def test_what_a_change_costs_is_told_whole_on_a_phone(visit):
    page = visit("?tab=generations&view=changes", width=390)
    page.get_by_text("no weights, cache or FLOPs").first.wait_for(timeout=SECONDS)
    assert page.locator("table.comparison td").evaluate_all(OVERFLOWING) == []
