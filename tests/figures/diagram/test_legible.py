"""What every drawing owes its reader: words inside their boxes, nothing over anything else."""

import itertools

import pytest

from explorer.catalogue.catalogue import load_catalogue
from explorer.figures.diagram.block import draw_block, draw_feed_forward
from explorer.figures.diagram.kinds import layer_kinds
from explorer.figures.diagram.method import draw_method
from explorer.figures.diagram.model import draw_model
from explorer.figures.diagram.vision import draw_vision
from tests.figures.diagram.reading import Drawing, read
from tests.figures.diagram.shapes import ODD, everything

SHAPES = everything()
METHODS = load_catalogue().methods
SURVEY = [method.id for method in METHODS.values() if method.survey]


def assert_legible(drawing: Drawing) -> None:
    for text in drawing.texts:
        assert text.place.inside(drawing.sheet), f"{text.words!r} leaves the sheet"
    for box in drawing.boxes:
        assert box.frame.inside(drawing.sheet), f"{box.part} leaves the sheet"
        for text in box.texts:
            assert text.place.inside(box.frame), f"{text.words!r} leaves the box {box.part}"
    for one, other in itertools.combinations(drawing.texts, 2):
        assert not one.place.overlaps(other.place), f"{one.words!r} runs into {other.words!r}"
    for text, box in itertools.product(drawing.loose, drawing.boxes):
        if "bare" not in box.attributes["class"]:
            assert not text.place.overlaps(box.frame), f"{text.words!r} runs into {box.part}"
    solid = [box for box in drawing.boxes if "bare" not in box.attributes["class"]]
    for one, other in itertools.combinations(solid, 2):
        assert not one.frame.overlaps(other.frame), f"{one.part} runs into {other.part}"


@pytest.mark.parametrize("model", SHAPES)
def test_a_block_of_every_kind_is_legible(model):
    for kind in layer_kinds(SHAPES[model]):
        assert_legible(read(draw_block(SHAPES[model], model, kind.layers[-1])))


@pytest.mark.parametrize("model", SHAPES)
def test_a_whole_model_is_legible(model):
    assert_legible(read(draw_model(SHAPES[model], model)))


@pytest.mark.parametrize("model", [m for m, arch in SHAPES.items() if arch.vision])
def test_a_vision_tower_is_legible(model):
    assert_legible(read(draw_vision(SHAPES[model], model)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("model", ["llama-3.1-8b", "llama-1-65b"])
def test_every_method_is_legible_on_a_block(model, method):
    assert_legible(read(draw_method(SHAPES[model], METHODS[method], {}, model)))


@pytest.mark.parametrize("method", SURVEY)
@pytest.mark.parametrize(
    "model", ["llama-3.1-405b", "llama-4-maverick-17b-128e", "llama-3.2-90b-vision", *ODD]
)
def test_the_survey_methods_are_legible_on_odd_shapes(model, method):
    arch = SHAPES[model]
    knobs = {"adapter_layers": 1} if "adapter_layers" in METHODS[method].knobs else {}
    assert_legible(read(draw_method(arch, METHODS[method], knobs, model)))


@pytest.mark.parametrize(
    ("method", "knobs"),
    [
        ("lora", {"r": 4096, "target_modules": "all-linear", "use_dora": True, "use_rslora": True}),
        ("lora", {"r": 2, "target_modules": "o_proj,down_proj", "init_lora_weights": "mica"}),
        ("llama-adapter-v1", {"adapter_len": 4096, "gate_activation": "none"}),
        ("llama-adapter-v2", {"variant": "paper", "r": 16}),
        ("llama-adapter-v2", {"adapter_len": 100, "adapter_layers": 32, "visual_tokens": 20,
                              "visual_layers": 32, "r": 1024}),
        ("llama-excitor", {"adapter_len": 4096, "r": 1024, "per_head": False, "rotate": True,
                           "gate_per_head": False, "activation": "tanh"}),
        ("prompt-tuning", {"num_virtual_tokens": 500}),
        ("prefix-tuning", {"num_virtual_tokens": 500}),
    ],
)  # fmt: skip
def test_knobs_at_their_ends_stay_legible(method, knobs):
    assert_legible(read(draw_method(SHAPES["llama-3.1-8b"], METHODS[method], knobs, "8B")))


@pytest.mark.parametrize("method", ["lora", "qlora", "llama-adapter-v1", "full", "vera"])
def test_a_method_on_cross_attention_is_legible(method):
    arch = SHAPES["llama-3.2-90b-vision"]
    assert_legible(read(draw_method(arch, METHODS[method], {}, "90B", layer=98)))


def test_a_layer_that_a_method_leaves_alone_is_legible_and_says_so():
    svg = draw_method(SHAPES["llama-3.1-8b"], METHODS["llama-adapter-v1"], {}, "8B", layer=0)
    drawing = read(svg)
    assert_legible(drawing)
    assert any("this layer holds nothing of it" in text.words for text in drawing.loose)


@pytest.mark.parametrize("model", SHAPES)
def test_a_feed_forward_alone_is_legible(model):
    for kind in layer_kinds(SHAPES[model]):
        drawing = read(draw_feed_forward(SHAPES[model], model, kind.layers[0]))
        assert_legible(drawing)
        assert not any(box.part.startswith("attention") for box in drawing.boxes)
