"""An SVG as a document: themes, escaping, ids, text alternatives, and how fast it is made."""

import re
import time

import pytest

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.figures.diagram.block import Rendering, draw_block
from explorer.figures.diagram.kinds import layer_kinds
from explorer.figures.diagram.method import draw_method
from explorer.figures.diagram.model import draw_model
from explorer.figures.diagram.style import TOKENS
from explorer.figures.diagram.vision import draw_vision
from tests.figures.diagram.reading import SVG, read
from tests.figures.diagram.shapes import everything

SHAPES = everything()
LLAMA = SHAPES["llama-3.1-8b"]
HOSTILE = "</title><script>alert(1)</script>\"' onload=x &amp; \x00\x0b\ud800"


@pytest.mark.parametrize("draw", [draw_model, draw_block])
def test_a_hostile_name_stays_text(draw):
    svg = draw(LLAMA, HOSTILE)
    tags = {element.tag.removeprefix(SVG) for element in read(svg).root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "defs", "pattern", "rect", "path", "g", "text",
                    "circle"}  # fmt: skip
    assert "<script" not in svg
    assert not any(name.startswith("on") for e in read(svg).root.iter() for name in e.attrib)


def test_a_hostile_rope_scaling_stays_text_of_bounded_length():
    svg = draw_block(SHAPES["enormous"], "x")
    assert "<script" not in svg
    assert svg.count("&lt;script") < 20


def test_a_drawing_names_and_describes_itself():
    root = read(draw_block(LLAMA, "Llama 3.1 8B", 4)).root
    by_id = {e.get("id"): e for e in root if e.get("id")}
    assert by_id[root.get("aria-labelledby")].text == "Llama 3.1 8B: layer 5 of 32"
    assert "32 query heads" in by_id[root.get("aria-describedby")].text


def test_ids_of_two_drawings_on_a_page_do_not_meet():
    ids = [set(re.findall(r'id="([^"]+)"', draw_block(LLAMA, "a", layer))) for layer in (0, 1)]
    assert not ids[0] & ids[1]


def test_every_reference_to_an_id_resolves():
    svg = draw_method(LLAMA, load_catalogue().methods["lora"], {}, "8B")
    assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= set(re.findall(r'id="([^"]+)"', svg))


def test_inline_follows_the_page_and_a_file_of_its_own_follows_the_system():
    style = read(draw_block(LLAMA, "x")).root.find(f"{SVG}style").text
    dark = f"--xd-ink:{TOKENS['ink'].dark}"
    assert f".dark .xd{{{dark}" in style
    assert "@media (prefers-color-scheme:dark){svg.xd:root{" in style


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_a_file_can_fix_its_theme_and_brings_its_ground(mode):
    svg = draw_block(LLAMA, "x", 0, Rendering(mode=mode, standalone=True))
    root = read(svg).root
    style = root.find(f"{SVG}style").text
    ink = TOKENS["ink"].on(mode)
    assert f".xd{{--xd-ink:{ink}" in style
    assert "prefers-color-scheme" not in style
    assert root.find(f"{SVG}rect").get("width") == "100%"
    assert root.get("width")
    assert root.get("height")


def test_every_custom_property_that_is_used_is_defined():
    style = read(draw_block(LLAMA, "x")).root.find(f"{SVG}style").text
    assert set(re.findall(r"var\(--xd-([\w-]+)", style)) <= TOKENS.keys()


def test_every_class_of_an_element_is_in_the_style_sheet():
    methods = load_catalogue().methods
    drawn = [
        draw_model(SHAPES["llama-4-scout-17b-16e"], "x"),
        draw_block(SHAPES["llama-3.2-11b-vision"], "x", 3),
    ]
    drawn += [draw_method(LLAMA, methods[m], {}, "x") for m in ("qlora", "llama-adapter-v2")]
    for svg in drawn:
        root = read(svg).root
        style = root.find(f"{SVG}style").text
        used = {c for e in root.iter() for c in (e.get("class") or "").split()} - {"xd", "frozen"}
        assert not {c for c in used if not re.search(rf"\.{c}\b", style)}


def test_a_layer_outside_of_the_stack_is_refused():
    with pytest.raises(ExplorerError, match="layers run from 0 to 31"):
        draw_block(LLAMA, "x", 32)


def test_a_text_model_has_no_vision_to_draw():
    with pytest.raises(ExplorerError, match="no vision tower"):
        draw_vision(LLAMA, "Llama 3.1 8B")


@pytest.mark.alone
def test_a_drawing_takes_far_less_than_a_tenth_of_a_second():
    arch = SHAPES["llama-3.1-405b"]
    draw_block(arch, "x")
    taken = []
    for layer in range(5):
        start = time.perf_counter()
        draw_block(arch, "x", layer)
        draw_model(arch, "x")
        taken.append(time.perf_counter() - start)
    assert min(taken) < 0.1
    assert layer_kinds(arch)
