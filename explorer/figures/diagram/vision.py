"""The image side of a multimodal LLaMA: tiles, patches, encoder, projector, image tokens."""

from explorer.budget.sites import vision_patches
from explorer.catalogue.architecture import Architecture, VisionArchitecture
from explorer.catalogue.errors import ExplorerError
from explorer.figures.diagram import plan as at
from explorer.figures.diagram.block import INLINE, Rendering
from explorer.figures.diagram.canvas import Box, Canvas, Caption, Point
from explorer.figures.diagram.parts import inventory, numbers_in, part_details
from explorer.figures.diagram.text import count, shape

Step = tuple[str, str, str, str]  # part, name, detail, shape of what leaves it
HEIGHT = 62.0
GAP = 56.0


def draw_vision(arch: Architecture, name: str = "LLaMA", rendering: Rendering = INLINE) -> str:
    """The vision tower as SVG: its path from image to tokens, and one layer of its encoder."""
    if arch.vision is None or arch.model_type == "llama":
        raise ExplorerError(f"{name} has no vision tower: its input is text alone.")
    canvas = Canvas()
    canvas.text((28, 38), f"{name} · vision", "title", room=at.WIDTH - 60)
    canvas.text((28, 60), _lead(arch), "lead", room=at.WIDTH - 56)
    canvas.text((28, 104), "FROM IMAGE TO TOKENS", "lane")
    vision_row(canvas, 128, arch)
    canvas.rule((28, 236), (at.WIDTH - 28, 236))
    canvas.text((28, 262), "ONE ENCODER LAYER", "lane")
    _encoder_layer(canvas, 316, arch, arch.vision)
    return canvas.finish(
        (at.WIDTH, 420), f"{name}: vision tower", _lead(arch), rendering.mode,
        rendering.standalone,
    )  # fmt: skip


def _lead(arch: Architecture) -> str:
    vision = arch.vision
    assert vision is not None  # both callers have checked
    seen = (vision.image_size // vision.patch_size) ** 2
    said = f"{seen} patches of {vision.patch_size} × {vision.patch_size} a tile"
    if arch.model_type == "mllama":
        return (
            f"{said}; the image enters the language model as keys and values of "
            f"{len(arch.cross_attention_layers)} cross-attention layers"
        )
    return f"{said}; image tokens stand in the sequence among the text's from the first layer on"


def vision_row(canvas: Canvas, y: float, arch: Architecture, left: float = 28.0) -> Point:
    """The path from image to image tokens as a row of boxes; returns where it ends."""
    steps = _steps(arch)
    room = at.WIDTH - 28 - left
    width = (room - GAP * (len(steps) - 1)) / len(steps)
    end = (left, y + HEIGHT / 2)
    for number, (part, name, detail, leaves) in enumerate(steps):
        box = Box(left + number * (width + GAP), y, width, HEIGHT)
        weighs = numbers_in(arch, part)
        kind = "frozen" if weighs else "op"
        canvas.open_group(box, Caption(name, count(weighs) if weighs else "", detail), part, kind)
        canvas.text((box.x + 10, y + 20), name, "label", room=width - 18)
        canvas.text((box.x + 10, y + 37), detail, "edge", room=width - 16)
        if weighs:
            total = count(part_details(arch, part).total)
            canvas.text((box.x + 10, y + 53), total, "count", room=width - 18)
        canvas.close_group()
        end = (box.x + width + GAP - 4, y + HEIGHT / 2)
        if number < len(steps) - 1:
            canvas.wire([box.right, (box.x + width + GAP, y + HEIGHT / 2)], "image")
            # above the boxes: between them it would run into their frames
            canvas.text((box.x + width + GAP / 2, y - 6), leaves, "small", "middle", GAP + 44)
    return end


def _steps(arch: Architecture) -> list[Step]:
    vision = arch.vision
    assert vision is not None
    side, patch, width = vision.image_size, vision.patch_size, vision.hidden_size
    tokens = vision_patches(vision)
    start: list[Step] = [
        ("vision.image", "image", f"tile {side} × {side}", f"{vision.num_channels}×{side}²"),
        ("vision.patch_embedding", "patches", f"{patch}×{patch} → {width}",
         shape(tokens - 1, width)),
        ("vision.position_embeddings", "positions", "class, places", shape(tokens, width)),
        ("vision.encoder", "encoder", f"{vision.num_hidden_layers} layers",
         shape(tokens, width)),
    ]  # fmt: skip
    hidden = arch.hidden_size
    if arch.model_type == "mllama":
        total = vision.max_num_tiles * tokens
        layers = f"{vision.num_global_layers} over {vision.max_num_tiles} tiles"
        taken = vision.vision_output_dim
        return [
            *start,
            ("vision.global_encoder", "global layers", layers, shape(tokens, taken)),
            ("projector", "projector", f"{taken} → {hidden}", shape(total, hidden)),
            ("image_tokens", "image tokens", f"up to {total}", ""),
        ]
    fold = max(round(1 / vision.pixel_shuffle_ratio), 1)
    fewer = (tokens - 1) // fold**2
    return [
        *start,
        ("vision.pixel_shuffle", "shuffle", f"{fold} × {fold} to one",
         shape(fewer, width * fold**2)),
        ("vision.adapter", "adapter", f"MLP → {vision.projector_output_dim}",
         shape(fewer, vision.projector_output_dim)),
        ("projector", "projector", f"→ {hidden}", shape(fewer, hidden)),
        ("image_tokens", "tokens", f"{fewer} a tile", ""),
    ]  # fmt: skip


def _encoder_layer(
    canvas: Canvas, row: float, arch: Architecture, vision: VisionArchitecture
) -> None:
    width, wide = vision.hidden_size, vision.intermediate_size
    heads = vision.num_attention_heads
    weights = {w.name: w for w in inventory(arch)["vision.encoder"]}
    bias = " + bias" if "q_proj.bias" in weights else ""
    part = "vision.encoder"
    boxes = [
        ("LayerNorm", f"{width} + bias", 2 * width, 104),
        ("q, k, v", f"{width} → 3 × {width}{bias}", 3 * _held(weights, "q_proj"), 166),
        ("attention", f"{heads} heads × {width // heads}, no mask", 0, 156),
        ("o_proj", f"{width} → {width}{bias}", _held(weights, "o_proj"), 136),
        ("LayerNorm", f"{width} + bias", 2 * width, 104),
        ("MLP", f"{width} → {wide} → {width}, GELU",
         _held(weights, "fc1") + _held(weights, "fc2"), 186),
    ]  # fmt: skip
    x, places = 72.0, []
    canvas.wire([(28, row), (x, row)])
    for name, detail, numbers, size in boxes:
        box = Box(x, row - at.ROW / 2, size, at.ROW)
        shown = count(numbers) if numbers else ""
        caption = Caption(name, shown if name != "LayerNorm" else "", detail, code=False)
        canvas.box(box, caption, part, "frozen" if numbers else "op")
        places.append(box)
        x += size + (72 if name in ("o_proj", "MLP") else 22)
    for first, second in ((0, 1), (1, 2), (2, 3), (4, 5)):
        canvas.wire([places[first].right, places[second].left])
    ends = ((28.0, places[3]), (places[3].x + places[3].width + 36, places[5]))
    for start, last in ends:
        plus = (last.x + last.width + 26, row)
        canvas.wire([last.right, (plus[0] - 10, row)])
        canvas.wire([(start + 14, row), (start + 14, row + 52), (plus[0], row + 52),
                     (plus[0], row + 11)])  # fmt: skip
        canvas.node(plus, "+")
    canvas.wire([(ends[1][0], row), places[4].left])
    canvas.wire([(places[5].x + places[5].width + 37, row), (at.WIDTH - 24, row)])
    copies = f"{vision.num_hidden_layers} layers like it"
    if vision.num_global_layers and arch.model_type == "mllama":
        copies += f", then {vision.num_global_layers} global ones with a tanh gate at each sum"
    canvas.text((72, row + 78), copies, "note", room=900)


def _held(weights: dict[str, object], name: str) -> int:
    """Numbers in a linear of an encoder layer, with its bias."""
    return sum(w.parameters for key, w in weights.items() if key.startswith(f"{name}."))
