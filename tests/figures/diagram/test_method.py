"""Methods on a block: what is drawn as trained adds up to what the calculator counts."""

import pytest

from explorer.budget.trainable import count_trainable
from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError, UnknownNameError
from explorer.figures.diagram.method import draw_method, method_part_details, overlay_for
from explorer.figures.diagram.parts import inventory
from explorer.figures.diagram.plan import Naming
from tests.figures.diagram.reading import read
from tests.figures.diagram.shapes import everything

SHAPES = everything()
METHODS = load_catalogue().methods
LLAMA = SHAPES["llama-3.1-8b"]

EXACT = [
    ("lora", {}),
    ("lora", {"r": 3, "target_modules": "q_proj,up_proj,down_proj", "use_dora": True}),
    ("lora", {"init_lora_weights": "mica"}),
    ("qlora", {"r": 7}),
    ("llama-adapter-v1", {}),
    ("llama-adapter-v1", {"adapter_len": 4, "adapter_layers": 1}),
    ("adaption-prompt", {}),
    ("llama-adapter-v2", {}),
    ("llama-adapter-v2", {"variant": "paper", "visual_tokens": 20, "visual_layers": 3}),
    ("llama-adapter-v2", {"adapter_len": 5, "adapter_layers": 2, "r": 4}),
    ("llama-excitor", {}),
    ("llama-excitor", {"gate_per_head": False, "adapter_len": 3, "r": 2}),
    ("vera", {}),
    ("ia3", {}),
    ("ln-tuning", {}),
    ("norms-and-biases", {}),
    ("prefix-tuning", {}),
    ("prompt-tuning", {}),
]


def trained_in(arch, method, knobs):
    """Numbers that the drawings of all layers show as trained."""
    values = method.read_knobs(knobs)
    trained = count_trainable(arch, method, values)
    total = 0
    for layer in range(arch.num_hidden_layers):
        overlay = overlay_for(arch, method, values, trained, layer)
        parts = overlay.parts(Naming(arch, "", layer)).values()
        if method.family == "prompt" and not overlay.layers() and layer:
            continue
        for part in parts:
            for _, shape in part.weights:
                size = 1
                for length in shape:
                    size *= length
                total += size
        if layer in trained.layers:
            total += sum(
                arch.hidden_size
                for norm in ("input_layernorm", "post_attention_layernorm")
                if overlay.kind(norm) == "trained"
            )
    last = overlay_for(arch, method, values, trained, arch.num_hidden_layers - 1)
    return total + arch.hidden_size * (last.kind("norm") == "trained")


@pytest.mark.parametrize("model", ["llama-3.1-8b", "smollm2-135m", "llama-1-7b"])
@pytest.mark.parametrize(("method", "knobs"), EXACT)
def test_what_is_drawn_as_trained_is_what_is_counted(method, knobs, model):
    counted = count_trainable(SHAPES[model], METHODS[method], knobs)
    assert trained_in(SHAPES[model], METHODS[method], knobs) == counted.total


@pytest.mark.parametrize("method", METHODS)
def test_every_box_of_every_method_can_be_opened(method):
    svg = draw_method(LLAMA, METHODS[method], {}, "8B")
    for box in read(svg).boxes:
        details = method_part_details(LLAMA, METHODS[method], box.part)
        assert details.explanation
        assert details.id == box.part


@pytest.mark.parametrize("method", METHODS)
def test_the_total_of_the_method_stands_under_the_title(method):
    counted = count_trainable(LLAMA, METHODS[method], {})
    lead = read(draw_method(LLAMA, METHODS[method], {}, "8B")).loose
    assert any(f"{counted.total:,} in all" in text.words for text in lead)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_cut_short_on_a_common_model(method):
    for text in read(draw_method(LLAMA, METHODS[method], {}, "Llama 3.1 8B")).texts:
        assert "…" not in text.words


def test_trained_and_frozen_boxes_differ_by_more_than_colour():
    svg = draw_method(LLAMA, METHODS["lora"], {}, "8B")
    boxes = {box.part: box.attributes["class"] for box in read(svg).boxes}
    assert boxes["method.q_proj.A"] == "box trained"
    assert boxes["attention.q_proj"] == "box frozen"
    assert "url(#xd" in svg  # the hatch
    assert ".box.trained>.frame{stroke:var(--xd-hot);stroke-width:1.8;stroke-dasharray" in svg


def test_knobs_move_the_drawing():
    drawn = draw_method(LLAMA, METHODS["lora"], {"r": 5, "target_modules": "k_proj"}, "8B")
    boxes = {box.part: [t.words for t in box.texts] for box in read(drawn).boxes}
    assert "5 × 4096" in boxes["method.k_proj.A"]
    assert "1024 × 5" in boxes["method.k_proj.B"]
    assert "method.q_proj.A" not in boxes


def test_the_strip_marks_the_layers_that_hold_the_method():
    svg = draw_method(LLAMA, METHODS["llama-adapter-v1"], {"adapter_layers": 7}, "8B")
    hot = [e for e in read(svg).root.iter() if e.get("class") == "fill-hot"]
    assert max((e.get("d") or "").count("M") for e in hot) == 7


def test_image_tokens_of_v2_enter_the_first_layers_alone():
    knobs = {"visual_tokens": 20, "visual_layers": 2, "adapter_len": 10}
    parts = [
        {
            box.part
            for box in read(draw_method(LLAMA, METHODS["llama-adapter-v2"], knobs, "8B", i)).boxes
        }
        for i in (0, 1, 2)
    ]
    assert "method.visual" in parts[0]
    assert "method.prompt" not in parts[0]
    assert {"method.visual", "method.prompt"} <= parts[1]
    assert "method.visual" not in parts[2]


def test_excitor_widens_the_keys_to_every_head():
    words = [t.words for t in read(draw_method(LLAMA, METHODS["llama-excitor"], {}, "8B")).texts]
    assert "32 × T × 128" in words
    assert "(32 + 8) × 128 = 5,120" in " ".join(words)


def test_qlora_says_what_a_weight_takes():
    words = " ".join(t.words for t in read(draw_method(LLAMA, METHODS["qlora"], {}, "8B")).texts)
    assert "4.127 bits a weight" in words
    assert "58,720,256 weights in 917,504 blocks of 64" in words


def test_mistakes_are_refused_in_sentences():
    lora = METHODS["lora"]
    with pytest.raises(UnknownNameError, match="no knob 'rank'"):
        draw_method(LLAMA, lora, {"rank": 8})
    with pytest.raises(ExplorerError, match="layers run from 0 to 31"):
        draw_method(LLAMA, lora, {}, layer=32)
    with pytest.raises(UnknownNameError, match=r"method\.q_proj\.[AB]"):
        method_part_details(LLAMA, lora, "method.q_proj.C")
    assert method_part_details(LLAMA, lora, "attention.q_proj").id in inventory(LLAMA)
