"""Boxes and what a click on them tells: every part is known, and the parts add up to the model."""

import pytest

from explorer.budget.params import count_parameters
from explorer.budget.sites import linear_sites
from explorer.catalogue.errors import UnknownNameError
from explorer.figures.diagram.block import draw_block
from explorer.figures.diagram.kinds import layer_kinds
from explorer.figures.diagram.model import draw_model
from explorer.figures.diagram.parts import inventory, part_details
from explorer.figures.diagram.vision import draw_vision
from tests.figures.diagram.reading import cells, read
from tests.figures.diagram.shapes import ODD, everything

SHAPES = everything()


def drawings(arch):
    yield draw_model(arch, "a model")
    for kind in layer_kinds(arch):
        yield draw_block(arch, "a model", kind.layers[0])
    if arch.vision:
        yield draw_vision(arch, "a model")


@pytest.mark.parametrize("model", SHAPES)
def test_the_parts_add_up_to_the_whole_model(model):
    arch = SHAPES[model]
    details = [part_details(arch, part) for part in inventory(arch)]
    assert sum(part.total for part in details) == count_parameters(arch).total
    assert sum(part.share for part in details) == pytest.approx(1)


@pytest.mark.parametrize("model", SHAPES)
def test_every_box_can_be_reached_read_and_opened(model):
    arch = SHAPES[model]
    for svg in drawings(arch):
        drawing = read(svg)
        assert drawing.boxes
        for box in drawing.boxes:
            assert box.attributes["tabindex"] == "0"
            assert box.attributes["role"] == "button"
            assert box.attributes["aria-label"] == box.title != ""
            assert part_details(arch, box.part).explanation


@pytest.mark.parametrize("model", SHAPES)
def test_every_part_with_weights_has_a_box_in_some_drawing(model):
    arch = SHAPES[model]
    drawn = {box.part for svg in drawings(arch) for box in read(svg).boxes}
    weighty = {part for part, weights in inventory(arch).items() if weights}
    assert weighty <= drawn


def test_shapes_on_boxes_are_those_of_the_linears():
    arch = SHAPES["llama-3.1-8b"]
    boxes = {box.part: box for box in read(draw_block(arch, "8B", 3)).boxes}
    for site in linear_sites(arch):
        if site.layer == 3:
            words = [text.words for text in boxes[site.component].texts]
            assert f"{site.d_in} → {site.d_out}" in words


def test_a_tied_head_counts_nothing_and_says_so():
    arch = SHAPES["llama-3.2-1b"]
    assert part_details(arch, "lm_head").total == 0
    head = next(box for box in read(draw_model(arch, "1B")).boxes if box.part == "lm_head")
    assert "tied" in [text.words for text in head.texts]


def test_an_unknown_part_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"Did you mean 'attention\.q_proj'"):
        part_details(SHAPES["llama-3.1-8b"], "attention.q_prj")


@pytest.mark.parametrize("model", [m for m in SHAPES if m != "enormous"])
def test_heads_are_drawn_to_number(model):
    arch = SHAPES[model]
    drawing = read(draw_block(arch, model, arch.self_attention_layers[0]))
    strip = min(arch.num_hidden_layers, 160)
    rotating = len(set(range(strip)) - set(arch.no_rope_layers) - set(arch.cross_attention_layers))
    legend = 1
    assert cells(drawing, "fill-query") == arch.num_attention_heads + rotating + legend
    assert cells(drawing, "fill-key") == arch.num_key_value_heads
    assert cells(drawing, "fill-value") == arch.num_key_value_heads


def test_heads_beyond_count_are_cut_with_a_word():
    arch = ODD["deep"].model_copy(update={"num_attention_heads": 300, "num_key_value_heads": 300})
    words = " ".join(text.words for text in read(draw_block(arch, "wide", 0)).texts)
    assert "128 of 300 groups drawn" in words


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("llama-3.1-8b", [(32, False, True, False)]),
        ("llama-3.2-11b-vision", [(32, False, True, False), (8, True, False, False)]),
        ("llama-4-scout-17b-16e", [(36, False, True, True), (12, False, False, True)]),
        ("llama-4-maverick-17b-128e",
         [(24, False, True, False), (12, False, True, True), (12, False, False, True)]),
    ],
)  # fmt: skip
def test_kinds_of_layer_are_found_and_cover_the_stack(model, expected):
    kinds = layer_kinds(SHAPES[model])
    assert [(len(k.layers), k.crosses, k.rotates, k.routes) for k in kinds] == expected
    assert sorted(i for k in kinds for i in k.layers) == list(
        range(SHAPES[model].num_hidden_layers)
    )


def test_experts_are_drawn_to_number_with_those_visited_marked():
    arch = SHAPES["llama-4-maverick-17b-128e"]
    drawing = read(draw_block(arch, "Maverick", 1))
    experts = next(box for box in drawing.boxes if box.part == "experts")
    assert "128 experts, a token visits 1" in experts.title
    routed = len(arch.moe_layers)
    assert cells(drawing, "fill-expert") == routed + 1 + 1  # strip, legend, the one visited
    dense = arch.num_hidden_layers - routed
    assert cells(drawing, "fill-edge") == dense + 1 + 127
