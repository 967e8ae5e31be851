"""The attention lane: norm, projections, rotation, heads in groups, softmax, way back."""

from explorer.catalogue.architecture import Architecture
from explorer.figures.diagram import plan as at
from explorer.figures.diagram.canvas import Box, Canvas, Caption
from explorer.figures.diagram.glyphs import heads, mask, shown_groups
from explorer.figures.diagram.linear import draw_gate, draw_linear
from explorer.figures.diagram.overlay.plain import AttentionPlan, Overlay
from explorer.figures.diagram.plan import Naming, Slot
from explorer.figures.diagram.text import plain, shape, wrap

ROWS = ("q_proj", "k_proj", "v_proj")
TONES = {"q_proj": "query", "k_proj": "key", "v_proj": "value"}


def attention_height(overlay: Overlay) -> float:
    """Height of the lane under its title."""
    rows = sum(at.PITCH + overlay.below(name) + overlay.after(name) for name in ROWS)
    return rows + 20 + at.ROW + overlay.last("o_proj")


def draw_attention_lane(canvas: Canvas, y: float, subject: Naming, overlay: Overlay) -> float:
    """Draw the lane with its first row at `y`; returns its lower edge."""
    rows, top = {}, y
    for name in ROWS:
        rows[name] = top + at.ROW / 2
        top += at.PITCH + overlay.below(name) + overlay.after(name)
    rows["o_proj"] = top + 20 + at.ROW / 2
    norm = _norm(canvas, rows["q_proj"], subject, overlay)
    _inputs(canvas, rows, subject, overlay)
    for name in ROWS:
        _projection(canvas, rows[name], name, subject, overlay)
    _heads(canvas, rows, subject, overlay)
    core = _core(canvas, rows, subject, overlay)
    _way_back(canvas, rows["o_proj"], core, subject, overlay)
    plan = AttentionPlan(rows, norm, core, overlay.below("v_proj"))
    overlay.draw_attention(canvas, plan, subject)
    return y + attention_height(overlay)


def _norm(canvas: Canvas, row: float, subject: Naming, overlay: Overlay) -> Box:
    width = subject.arch.hidden_size
    box = Box(at.NORM, row - at.ROW / 2, at.NORM_WIDTH, at.ROW)
    caption = Caption("RMSNorm", "", f"{width} gains", code=False)
    canvas.box(box, caption, "input_layernorm", overlay.kind("input_layernorm"))
    canvas.wire([(at.SPINE, row), box.left])
    canvas.text((box.x, box.y - 7), shape("T", width), "edge")
    return box


def _inputs(canvas: Canvas, rows: dict[str, float], subject: Naming, overlay: Overlay) -> None:
    """The wires into the projections: from the norm, or for keys and values from the image."""
    start = rows["q_proj"]
    canvas.wire([(at.NORM + at.NORM_WIDTH, start), (at.SITE, start)])
    if subject.crosses:
        start = rows["k_proj"]
        box = Box(at.NORM, start - at.ROW / 2, at.NORM_WIDTH, at.ROW)
        caption = Caption("image tokens", "", shape("I", subject.arch.hidden_size), code=False)
        canvas.box(box, caption, "image_tokens", "op")
        canvas.wire([box.right, (at.SITE, start)], "image")
        if overlay.tap("q_proj"):
            above = rows["q_proj"]
            canvas.wire([(at.BUS, above), (at.BUS, above + overlay.tap("q_proj"))], arrow=False)
    else:
        canvas.wire([(at.BUS, rows["k_proj"]), (at.SITE, rows["k_proj"])])
    tone = "image" if subject.crosses else ""
    lowest = rows["v_proj"] + overlay.tap("v_proj")
    if overlay.tap("v_proj"):
        canvas.wire([(at.BUS, start), (at.BUS, lowest)], tone, arrow=False)
        canvas.wire([(at.BUS, rows["v_proj"]), (at.SITE, rows["v_proj"])], tone)
    else:
        canvas.wire([(at.BUS, start), (at.BUS, lowest), (at.SITE, lowest)], tone)


def _projection(canvas: Canvas, row: float, name: str, subject: Naming, overlay: Overlay) -> None:
    arch = subject.arch
    is_query = name == "q_proj"
    d_in, d_out = arch.hidden_size, arch.q_dim if is_query else arch.kv_dim
    part = f"{subject.attention}.{name}"
    box = Box(at.SITE, row - at.ROW / 2, at.SITE_WIDTH, at.ROW)
    canvas.wire([box.right, (at.PANEL, row)])
    length = "I" if subject.crosses and not is_query else "T"
    canvas.text((at.JOIN + 12, row - 6), shape(length, d_out), "edge", room=at.PANEL - at.JOIN - 16)
    number = arch.num_attention_heads if is_query else arch.num_key_value_heads
    said = f"{number} × {arch.head_dim}"
    canvas.text((at.JOIN + 12, row + 15), said, f"edge text-{TONES[name]}", room=60)
    if name != "v_proj":
        _position_chips(canvas, row, subject)
    slot = Slot(name, box, d_in, d_out, (at.BUS, row), (at.JOIN, row))
    draw_linear(canvas, slot, part, subject, overlay)


def _position_chips(canvas: Canvas, row: float, subject: Naming) -> None:
    if subject.crosses:
        canvas.operation(Box(at.ROPE, row - 10, 64, 20), "RMSNorm", "cross_attention.norms")
    if subject.rotates:
        canvas.operation(Box(at.ROPE, row - 10, 42, 20), "RoPE", "attention.rope")
        if subject.arch.use_qk_norm:
            canvas.operation(Box(at.QK_NORM, row - 10, 22, 20), "L2", "attention.qk_norm")


def _heads(canvas: Canvas, rows: dict[str, float], subject: Naming, overlay: Overlay) -> None:
    arch = subject.arch
    top, bottom = rows["q_proj"] - 30, rows["v_proj"] + 14
    box = Box(at.PANEL + 4, top, at.PANEL_WIDTH - 8, bottom - top)
    spoken = f"{arch.num_attention_heads} query heads in {arch.num_key_value_heads} groups"
    caption = Caption("heads", spoken=spoken)
    canvas.open_group(box, caption, "attention.heads", "bare")
    places = (rows["q_proj"], rows["k_proj"], rows["v_proj"])
    widened = overlay.key_heads(subject) > arch.num_key_value_heads
    heads(canvas, arch, box, places, widened)
    canvas.close_group()
    lines = wrap(_sharing(arch, widened), "note", at.PANEL_WIDTH + 20)
    for number, line in enumerate(lines[:3]):
        middle = (at.PANEL + at.PANEL_WIDTH / 2, bottom + 18 + 15 * number)
        canvas.text(middle, line, "note", "middle", room=at.PANEL_WIDTH + 40)


def _sharing(arch: Architecture, widened: bool) -> str:
    groups, each = arch.num_key_value_heads, arch.num_key_value_groups
    seen = shown_groups(arch)
    drawn = f" ({seen} of {groups} groups drawn)" if seen < groups else ""
    if widened:
        return f"{groups} groups of {each} heads: a key each, one value a group{drawn}"
    if groups == 1:
        if each == 1:
            return "One query head with its own key and value head"
        return f"Multi-query: all {each} query heads share one key and one value head"
    if each == 1:
        return f"Multi-head: {groups} query heads, each with its own key and value head{drawn}"
    return (
        f"Grouped-query: {groups} groups of {each} query heads, one key and one value head "
        f"a group{drawn}"
    )


def _core(canvas: Canvas, rows: dict[str, float], subject: Naming, overlay: Overlay) -> Box:
    arch = subject.arch
    top, bottom = rows["q_proj"] - 26, rows["v_proj"] + 26
    box = Box(at.CORE, top, at.CORE_WIDTH, bottom - top)
    for name, letter in zip(ROWS, "qkv", strict=True):
        row = rows[name]
        canvas.wire([(at.PANEL + at.PANEL_WIDTH, row), (at.CORE, row)])
        number = {"q_proj": arch.num_attention_heads, "k_proj": overlay.key_heads(subject)}.get(
            name, arch.num_key_value_heads
        )
        length = "I" if subject.crosses and name != "q_proj" else "T"
        said = shape(number, length, arch.head_dim)
        middle = (at.PANEL + at.PANEL_WIDTH + (at.CORE - at.PANEL - at.PANEL_WIDTH) / 2 - 3, row)
        canvas.text((middle[0], row - 6), said, "edge", "middle", 72)
        canvas.text((middle[0], row + 15), letter, f"edge text-{TONES[name]}", "middle")
    words, detail = _seen(subject)
    spoken = f"softmax of queries times keys over the square root of {arch.head_dim}, {words}"
    canvas.open_group(box, Caption("attention", spoken=spoken), "attention.softmax", "op")
    middle = box.x + box.width / 2
    first = box.y + box.height / 2 - 74
    canvas.text((middle, first), "attention", "label", "middle")
    formula = f"softmax(q kᵀ / √{arch.head_dim}) v"
    canvas.text((middle, first + 19), formula, "shape", "middle", box.width - 16)
    mask(canvas, (middle - 33, first + 33), 66, bool(subject.chunk), subject.crosses)
    canvas.text((middle, first + 120), words, "shape", "middle", box.width - 12)
    canvas.text((middle, first + 135), detail, "edge", "middle", box.width - 12)
    canvas.close_group()
    return box


def _seen(subject: Naming) -> tuple[str, str]:
    """What the mask lets a token see: in two lines."""
    if subject.crosses:
        return "sees every image token", "no causal mask"
    if subject.chunk:
        return "causal, inside chunks", f"of {subject.chunk} tokens"
    if subject.layer in subject.arch.no_rope_layers:
        return "causal, whole context", "no positions (NoPE)"
    return "causal", "sees itself and the past"


def _way_back(canvas: Canvas, row: float, core: Box, subject: Naming, overlay: Overlay) -> None:
    arch = subject.arch
    part = f"{subject.attention}.o_proj"
    box = Box(at.SITE, row - at.ROW / 2, at.SITE_WIDTH, at.ROW)
    down = [core.bottom, (core.bottom[0], row)]
    if overlay.exits_right:
        down = [core.right, (at.EXIT, core.right[1]), (at.EXIT, row)]
    canvas.wire([*down, box.right])
    canvas.text((down[-1][0] - 14, row - 6), shape("T", arch.q_dim), "edge", "end")
    canvas.wire([box.left, (at.SPINE + 11, row)])
    canvas.text((at.NORM, row - 6), shape("T", arch.hidden_size), "edge")
    if subject.crosses:
        draw_gate(canvas, row)
    canvas.node((at.SPINE, row), "+", "spine")
    canvas.text(
        (at.PANEL, row + 16), _cached(subject, overlay), "note", room=at.CORE - at.PANEL + 60
    )
    back = Slot(
        "o_proj", box, arch.q_dim, arch.hidden_size, (at.JOIN, row), (at.BUS, row), forward=-1
    )
    draw_linear(canvas, back, part, subject, overlay)


def _cached(subject: Naming, overlay: Overlay) -> str:
    arch = subject.arch
    keys, values, width = overlay.key_heads(subject), arch.num_key_value_heads, arch.head_dim
    heads = f"2 × {keys}" if keys == values else f"({keys} + {values})"
    numbers = f"{heads} × {width} = {plain((keys + values) * width)} numbers"
    if subject.crosses:
        return f"kept for the whole answer: {numbers} an image token"
    return f"KV cache of this layer: {numbers} a token"
