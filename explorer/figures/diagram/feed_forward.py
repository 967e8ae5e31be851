"""The feed-forward lane of a dense layer: SwiGLU, with the two widths drawn to scale."""

from explorer.figures.diagram import plan as at
from explorer.figures.diagram.canvas import Box, Canvas, Caption
from explorer.figures.diagram.linear import draw_gate, draw_linear
from explorer.figures.diagram.overlay.plain import Overlay
from explorer.figures.diagram.plan import Naming, Slot
from explorer.figures.diagram.text import shape

TIMES = 926.0  # x of the product of the two halves


def feed_forward_height(overlay: Overlay) -> float:
    """Height of the lane under its title."""
    rows = 2 * at.PITCH + overlay.below("gate_proj") + overlay.below("up_proj")
    return rows + at.ROW + overlay.last("down_proj")


def draw_feed_forward_lane(
    canvas: Canvas, y: float, subject: Naming, width: int, overlay: Overlay
) -> float:
    """Draw the lane with its first row at `y`; `width` is that of the hidden units."""
    gate = y + at.ROW / 2
    up = gate + at.PITCH + overlay.below("gate_proj")
    down = up + at.PITCH + overlay.below("up_proj")
    second_norm(canvas, gate, subject, overlay)
    canvas.wire([(at.NORM + at.NORM_WIDTH, gate), (at.SITE, gate)])
    lowest = up + overlay.tap("up_proj")
    if overlay.tap("up_proj"):
        canvas.wire([(at.BUS, gate), (at.BUS, lowest)], arrow=False)
        canvas.wire([(at.BUS, up), (at.SITE, up)])
    else:
        canvas.wire([(at.BUS, gate), (at.BUS, lowest), (at.SITE, lowest)])
    for name, row in (("gate_proj", gate), ("up_proj", up)):
        _outward(canvas, row, (name, width), subject, overlay)
    _gating(canvas, (gate, up, down), subject, width)
    _inward(canvas, down, width, subject, overlay)
    return y + feed_forward_height(overlay)


def second_norm(canvas: Canvas, row: float, subject: Naming, overlay: Overlay) -> Box:
    """The norm in front of the feed-forward, fed from the residual stream."""
    width = subject.arch.hidden_size
    box = Box(at.NORM, row - at.ROW / 2, at.NORM_WIDTH, at.ROW)
    caption = Caption("RMSNorm", "", f"{width} gains", code=False)
    part = "post_attention_layernorm"
    canvas.wire([(at.SPINE, row), box.left])
    canvas.box(box, caption, part, overlay.kind(part))
    canvas.text((box.x, box.y - 7), shape("T", width), "edge")
    return box


def _outward(
    canvas: Canvas, row: float, site: tuple[str, int], subject: Naming, overlay: Overlay
) -> None:
    name, width = site
    hidden = subject.arch.hidden_size
    part = f"mlp.{name}"
    box = Box(at.SITE, row - at.ROW / 2, at.SITE_WIDTH, at.ROW)
    canvas.text((at.JOIN + 12, row - 6), shape("T", width), "edge", room=110)
    middle = product_row(subject, row, name, overlay)
    towards = middle - 11 if name == "gate_proj" else middle + 11
    canvas.wire([box.right, (TIMES, row), (TIMES, towards)])
    if name == "gate_proj":
        canvas.operation(Box(at.PANEL, row - 10, 46, 20), "SiLU", "mlp.silu")
    slot = Slot(name, box, hidden, width, (at.BUS, row), (at.JOIN, row))
    draw_linear(canvas, slot, part, subject, overlay)


def product_row(subject: Naming, row: float, name: str, overlay: Overlay) -> float:
    """Height of the product between the rows of gate and up, seen from one of them."""
    half = (at.PITCH + overlay.below("gate_proj")) / 2
    return row + half if name == "gate_proj" else row - half


def _gating(canvas: Canvas, rows: tuple[float, float, float], subject: Naming, width: int) -> None:
    """The product of the halves, and bars that show how much wider the inside is."""
    gate, up, down = rows
    middle = (gate + up) / 2
    canvas.node((TIMES, middle), "×")
    turn = TIMES + 84
    canvas.wire(
        [(TIMES + 11, middle), (turn, middle), (turn, down), (at.SITE + at.SITE_WIDTH, down)]
    )
    canvas.text((TIMES + 18, middle - 6), shape("T", width), "edge", room=70)
    hidden = subject.arch.hidden_size
    longest = max(hidden, width)
    for row, size, said in (
        (middle - 9, hidden, f"{hidden}"),
        (middle + 4, width, f"{width}, {width / hidden:.2f} × as wide"),
    ):
        bar = 150 * size / longest
        canvas.plate(Box(at.PANEL - 24, row, bar, 6), "fill-edge", 2)
        canvas.text((at.PANEL - 14 + bar, row + 6.5), said, "edge", room=TIMES - at.PANEL - bar)


def _inward(canvas: Canvas, row: float, width: int, subject: Naming, overlay: Overlay) -> None:
    hidden = subject.arch.hidden_size
    part = "mlp.down_proj"
    box = Box(at.SITE, row - at.ROW / 2, at.SITE_WIDTH, at.ROW)
    canvas.wire([box.left, (at.SPINE + 11, row)])
    canvas.text((at.NORM, row - 6), shape("T", hidden), "edge", room=62)
    if subject.crosses:
        draw_gate(canvas, row)
    canvas.node((at.SPINE, row), "+", "spine")
    slot = Slot("down_proj", box, width, hidden, (at.JOIN, row), (at.BUS, row), forward=-1)
    draw_linear(canvas, slot, part, subject, overlay)
