"""The catalogue tabs in a real browser: tables, cards, drawings, comparisons, charts, search."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SECONDS = 30_000
NARROW = 390


@pytest.fixture
def show(visit):
    """Open the page and wait until the tab is there."""

    def open_tab(query, **how):
        page = visit(query, **how)
        page.get_by_role("tab", name="Generations").first.wait_for(timeout=SECONDS)
        page.set_default_timeout(SECONDS)
        return page

    return open_tab


# Whether the page has stood unchanged for a second: a drawing may be made twice at first.
STILL = """() => new Promise((done) => {
  let timer = setTimeout(() => done(true), 1000);
  new MutationObserver(() => {
    clearTimeout(timer);
    timer = setTimeout(() => done(true), 1000);
  }).observe(document.querySelector(".diagram").closest(".tabitem"), {
    subtree: true, childList: true,
  });
})"""


def first_figure(page):
    """The first large figure that is seen, without the box that tells its source."""
    return page.locator(
        ".figure-value:visible .sourced, .figure-value:visible:not(:has(.tip))"
    ).first


def test_a_row_of_the_table_opens_the_models_card(show, keep):
    page = show("?tab=generations")
    page.locator(".js-plotly-plot").first.wait_for()
    page.get_by_text("Llama 3 8B", exact=True).first.click()
    expect(page.locator(".card-head h2")).to_have_text("Llama 3 8B", timeout=SECONDS)
    expect(page).to_have_url(re.compile("model=llama-3-8b"))
    page.screenshot(path=keep("generations"), full_page=True)


def test_a_value_tells_its_source_to_the_keyboard_alone(show):
    page = show("?tab=generations&view=model&model=llama-3.1-8b")
    value = page.locator('[data-field="intermediate_size"] .sourced').first
    value.wait_for()
    tip = page.locator('[data-field="intermediate_size"] .tip').first
    expect(tip).to_be_hidden()
    value.focus()
    expect(tip).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.href").startswith("https://")


def test_a_box_of_the_drawing_opens_and_a_layer_is_entered(show):
    page = show("?tab=generations&view=model&model=llama-4-scout-17b-16e")
    box = page.locator('.diagram [data-part="lm_head"]').first
    box.wait_for()
    page.evaluate(STILL)
    box.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".opened h3")).to_have_text("Output head", timeout=SECONDS)
    page.locator(".diagram g[data-layer]").nth(1).click()
    expect(page.locator(".diagram svg title").first).to_contain_text("layer 4 of 48")


@pytest.mark.parametrize(("title", "ending"), [("Save as SVG", "svg"), ("Save as PNG", "png")])
def test_a_drawing_is_saved(show, title, ending, tmp_path):
    page = show("?tab=generations&view=model&model=llama-3.2-1b")
    page.locator(".diagram [data-part]").first.wait_for()
    with page.expect_download() as waiting:
        page.get_by_role("button", name=title).first.click()
    saved = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(saved)
    assert saved.suffix == f".{ending}"
    start = saved.read_bytes()[:8]
    assert start.startswith(b"<svg") if ending == "svg" else start.startswith(b"\x89PNG")


def test_a_comparison_starts_from_a_card(show):
    page = show("?tab=generations&view=model&model=llama-3.1-8b")
    page.locator(".card-head h2").wait_for()
    page.get_by_role("button", name="Compare with…").click()
    expect(page.locator("table.comparison thead")).to_contain_text("Llama 3.1 8B")
    expect(page).to_have_url(re.compile("view=changes"))


def test_a_pasted_config_is_drawn_and_a_broken_one_is_a_sentence(show):
    page = show("?tab=generations&view=config")
    page.get_by_role("button", name="Draw it").click()
    expect(first_figure(page)).to_have_text("1,235,814,400", timeout=SECONDS)
    page.locator(".cm-content").first.click()
    page.keyboard.press("Control+A")
    page.keyboard.type('{"model_type": "gpt2"}')
    page.get_by_role("button", name="Draw it").click()
    expect(page.get_by_text("gpt2").last).to_be_visible()


def test_a_knob_moves_the_number_and_the_address(show, keep):
    page = show("?tab=methods&view=method&method=lora")
    expect(first_figure(page)).to_have_text("3,407,872", timeout=SECONDS)
    expect(page.locator(".equation .katex").first).to_be_visible()
    rank = page.get_by_label("r", exact=True).first
    rank.fill("16")
    rank.press("Tab")
    expect(first_figure(page)).to_have_text("6,815,744", timeout=SECONDS)
    expect(page).to_have_url(re.compile("set=r%3D16"))
    page.screenshot(path=keep("methods"), full_page=True)


def test_a_card_opens_its_method(show):
    page = show("?tab=methods")
    page.get_by_role("link", name="VeRA", exact=True).click()
    expect(page.locator(".card-head h2:visible")).to_have_text("VeRA", timeout=SECONDS)
    expect(page).to_have_url(re.compile("method=vera"))


def test_the_surveys_table_is_saved(show):
    page = show("?tab=methods&view=survey")
    page.locator("table.survey").wait_for()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save as CSV").first.click()
    assert waiting.value.suggested_filename == "survey-methods-llama-3.1-8b.csv"


def test_a_chart_comes_with_what_keeps_its_figures_apart(show, keep):
    page = show("?tab=benchmarks")
    page.locator("#chart-scores .js-plotly-plot").wait_for()
    expect(page.locator(".warnings").first).to_contain_text("measured alike")
    page.screenshot(path=keep("benchmarks"), full_page=True)


def test_search_leads_to_a_hit_without_a_reload(show):
    page = show("?tab=generations")
    page.locator(".js-plotly-plot").first.wait_for()
    page.evaluate("window.stillHere = true")
    page.keyboard.press("/")
    page.keyboard.type("excitor")
    page.keyboard.press("Enter")
    expect(page.locator(".card-head h2:visible")).to_have_text("LLaMA-Excitor", timeout=SECONDS)
    assert page.evaluate("window.stillHere")


def test_search_takes_what_is_pasted(show):
    page = show("?tab=generations")
    page.keyboard.press("/")
    page.evaluate("document.execCommand('insertText', false, 'excitor')")  # as a paste does
    page.locator("#hits a").first.wait_for(timeout=SECONDS)


@pytest.mark.parametrize("typed", ["type", "paste"])
def test_a_knob_of_words_takes_what_is_typed_and_what_is_pasted(show, typed):
    page = show("?tab=methods&view=method&method=lora")
    page.get_by_text("3,407,872", exact=True).first.wait_for(timeout=SECONDS)
    page.get_by_label("layers_to_transform").click()
    if typed == "type":
        page.keyboard.type("0,1")
    else:
        page.evaluate("document.execCommand('insertText', false, '0,1')")
        page.keyboard.press("Tab")
    page.get_by_text("212,992", exact=True).first.wait_for(timeout=SECONDS)


def wait_for(page, content):
    page.locator(content).locator("visible=true").first.wait_for()


VIEWS = {
    "?tab=generations": "#timeline .js-plotly-plot",
    "?tab=generations&view=model&model=llama-4-maverick-17b-128e": ".diagram svg",
    "?tab=generations&view=model&model=llama-3.2-11b-vision&level=block&layer=4": ".diagram svg",
    "?tab=generations&view=changes": "table.comparison",
    "?tab=generations&view=config": ".cm-content",
    "?tab=methods": ".method-card",
    "?tab=methods&view=method&method=llama-adapter-v2": ".equation .katex",
    "?tab=methods&view=method&method=qlora": ".equation .katex",
    "?tab=methods&view=abilities": "table.matrix",
    "?tab=methods&view=survey": "table.survey",
    "?tab=benchmarks": "#chart-scores .js-plotly-plot",
    "?tab=benchmarks&view=map": "#chart-map .js-plotly-plot",
    "?tab=benchmarks&view=pairs": "#chart-pairs .js-plotly-plot",
    "?tab=benchmarks&view=tradeoffs": "#chart-tradeoffs .js-plotly-plot",
    "?tab=benchmarks&view=full": "#chart-full .js-plotly-plot",
    "?tab=benchmarks&view=contradictions": ".used-here",
    "?tab=benchmarks&view=figures": ".virtual-row",
    "?tab=benchmarks&view=uses": ".topics",
    "?tab=benchmarks&view=terms": ".terms",
}
# Goes where a link in a text goes, without a reload.
FOLLOW = """(query) => {
  const link = document.createElement("a");
  link.href = query;
  document.querySelector(".gradio-container").append(link);
  link.click();
  link.remove();
}"""
# Controls of which a part lies where it can neither be seen nor scrolled to.
CLIPPED = """() => {
  const controls = "button, input, select, textarea, summary, label, a[href], [role=tab]";
  const cut = (element) => {
    const box = element.getBoundingClientRect();
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return false;
    if (box.width < 3 || box.height < 3 || element.closest(".tip, .modebar")) return false;
    let left = 0, right = innerWidth;
    for (let around = element.parentElement; around; around = around.parentElement) {
      const overflow = getComputedStyle(around).overflowX;
      if (overflow === "auto" || overflow === "scroll") return false;
      if (overflow === "visible") continue;
      const edge = around.getBoundingClientRect();
      [left, right] = [Math.max(left, edge.left), Math.min(right, edge.right)];
    }
    return box.left < left - 2 || box.right > right + 2;
  };
  const told = (element) => `${element.tagName} ${element.className} ${element.textContent}`;
  return [...document.querySelectorAll(controls)].filter(cut)
    .map((element) => told(element).slice(0, 90));
}"""


def test_a_narrow_screen_can_use_every_view(show):
    page = show("?tab=lab", width=NARROW, dark=True)
    page.wait_for_function("window.addressRead")
    for query, content in VIEWS.items():
        page.evaluate(FOLLOW, query)
        expect(page).to_have_url(re.compile(re.escape(query.split("&")[-1])), timeout=SECONDS)
        wait_for(page, content)
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW, query
        assert page.evaluate(CLIPPED) == [], query
        chosen = page.locator(".segmented label.selected:visible").first.bounding_box()
        assert chosen["x"] >= 0, query
        assert chosen["x"] + chosen["width"] <= NARROW, query


def test_the_narrow_walk_finds_a_control_that_is_cut_off(show):
    page = show("?tab=benchmarks&view=terms", width=NARROW)
    wait_for(page, ".terms")
    page.add_style_tag(content=".terms { width: 600px !important; max-width: none !important; }")
    page.evaluate(
        """() => document.querySelector(".terms").insertAdjacentHTML(
          "afterbegin", '<button style="margin-left: 500px">far out</button>')"""
    )
    assert any("far out" in control for control in page.evaluate(CLIPPED))


# Clicks on a tab and says after how many milliseconds its first view stands complete.
OPEN_TAB = """([tab, ready]) => new Promise((done) => {
  const button = [...document.querySelectorAll("button[role=tab]")]
    .find((found) => found.textContent.trim() === tab);
  const start = performance.now();
  const complete = new Function(`return ${ready}`);
  const look = () => complete() ? done(performance.now() - start) : setTimeout(look, 20);
  button.click();
  look();
})"""
COMPLETE = {
    "Generations": """document.querySelectorAll("#timeline .points path").length >= 36
      && document.querySelectorAll(".models .virtual-row").length > 4""",
    "Methods": """[...document.querySelectorAll(".method-card")]
      .filter((card) => card.checkVisibility()).length >= 48""",
}


def test_generations_and_methods_open_in_under_a_second(show):
    taken = {tab: [] for tab in COMPLETE}
    for _ in range(3):
        page = show("?tab=benchmarks")
        wait_for(page, "#chart-scores .js-plotly-plot")
        page.wait_for_timeout(1000)
        for tab, complete in COMPLETE.items():
            taken[tab].append(page.evaluate(OPEN_TAB, [tab, complete]))
        page.close()
    assert {tab: min(times) < 1000 for tab, times in taken.items()} == dict.fromkeys(taken, True), (
        taken
    )


def test_what_a_tab_draws_is_drawn_when_it_is_first_shown(show):
    page = show("?tab=benchmarks&view=terms")
    wait_for(page, ".terms")
    page.wait_for_timeout(1500)
    drawn = ".js-plotly-plot, .diagram svg, .method-card, table.comparison, table.matrix"
    expect(page.locator(drawn)).to_have_count(0)
    page.get_by_role("tab", name="Generations").click()
    wait_for(page, "#timeline .js-plotly-plot")
    expect(page.locator(".js-plotly-plot")).to_have_count(1)
    expect(page.locator(".diagram svg, .method-card, table.comparison")).to_have_count(0)
    page.get_by_text("One model", exact=True).click()
    wait_for(page, ".diagram svg")
    expect(page.locator(".method-card, table.comparison")).to_have_count(0)
