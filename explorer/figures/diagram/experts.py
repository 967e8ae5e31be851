"""The feed-forward lane of a layer with experts: router, routed experts, shared expert."""

from explorer.budget.params import expert_parameters
from explorer.figures.diagram import plan as at
from explorer.figures.diagram.canvas import Box, Canvas, Caption, Point
from explorer.figures.diagram.feed_forward import second_norm
from explorer.figures.diagram.glyphs import experts
from explorer.figures.diagram.linear import draw_linear
from explorer.figures.diagram.overlay.plain import Overlay
from explorer.figures.diagram.parts import numbers_in
from explorer.figures.diagram.plan import Naming, Slot
from explorer.figures.diagram.text import count, shape

PRODUCT = 664.0  # x of gate times up in the shared expert
DOWN = 764.0
GRID = 150.0  # height of the field of experts
ADD = 1052.0  # x where routed and shared outputs meet


def experts_height(overlay: Overlay) -> float:
    """Height of the lane under its title."""
    return GRID + 54 + at.ROW + at.PITCH + overlay.below("gate_proj") + overlay.last("up_proj") + 34


def draw_experts_lane(canvas: Canvas, y: float, subject: Naming, overlay: Overlay) -> float:
    """Draw the lane with its first row at `y`; returns its lower edge."""
    row = y + at.ROW / 2
    gate = y + GRID + 54 + at.ROW / 2
    up = gate + at.PITCH + overlay.below("gate_proj")
    shared = (gate + up) / 2
    second_norm(canvas, row, subject, overlay)
    _router(canvas, row, subject, overlay)
    _routed(canvas, y, shared, subject)
    _shared(canvas, (gate, up), subject, overlay)
    bottom = y + experts_height(overlay)
    back = bottom - 12
    canvas.node((ADD, shared), "+")
    canvas.wire([(ADD, shared + 11), (ADD, back), (at.SPINE + 11, back)])
    canvas.text((at.NORM, back - 6), shape("T", subject.arch.hidden_size), "edge")
    canvas.node((at.SPINE, back), "+", "spine")
    return bottom


def _router(canvas: Canvas, row: float, subject: Naming, overlay: Overlay) -> None:
    arch = subject.arch
    number, chosen = arch.num_local_experts or 0, arch.num_experts_per_tok or 0
    box = Box(at.SITE, row - at.ROW / 2, at.SITE_WIDTH, at.ROW)
    canvas.wire([(at.NORM + at.NORM_WIDTH, row), box.left])
    canvas.wire([box.right, (at.PANEL, row)])
    canvas.text((at.JOIN + 12, row - 6), shape("T", number), "edge", room=46)
    canvas.operation(Box(at.JOIN + 62, row - 10, 94, 20), f"top {chosen}, sigmoid", "router")
    slot = Slot("router", box, arch.hidden_size, number, (at.BUS, row), (at.JOIN, row))
    draw_linear(canvas, slot, "router", subject, overlay)
    y = row + 68 + overlay.below("router")
    said = f"{chosen} of {number} experts a token"
    canvas.text((at.SITE, y), said, "note text-expert", room=at.PANEL - at.SITE - 20)
    canvas.text((at.SITE, y + 18), "the input is multiplied by σ(score)", "note", room=340)


def _routed(canvas: Canvas, y: float, shared: float, subject: Naming) -> None:
    arch = subject.arch
    number, chosen = arch.num_local_experts or 0, arch.num_experts_per_tok or 0
    field = Box(at.PANEL, y - 4, at.PANEL_WIDTH + 56, GRID + 8)
    inner = arch.intermediate_size
    total = numbers_in(arch, "experts")
    caption = Caption("experts", count(total), f"{number} experts, a token visits {chosen}")
    canvas.open_group(field, caption, "experts", "frozen")
    canvas.text((field.x + 12, field.y + 20), "experts", "name")
    canvas.text((field.x + field.width - 12, field.y + 20), count(total), "count", "end")
    grid = Box(field.x + 12, field.y + 30, field.width - 24, field.height - 58)
    experts(canvas, grid, number, chosen)
    each = f"each {arch.hidden_size} → {inner} → {arch.hidden_size}"
    words = f"{each}, SwiGLU, {count(expert_parameters(arch))}"
    canvas.text((field.x + 12, field.y + field.height - 11), words, "shape", room=field.width - 24)
    canvas.close_group()
    row = field.y + field.height / 2
    canvas.wire([(field.x + field.width, row), (ADD, row), (ADD, shared - 11)], "expert")
    side = (ADD + 10, row + 16)
    canvas.text(side, shape("T", arch.hidden_size), "edge")


def _shared(canvas: Canvas, rows: tuple[float, float], subject: Naming, overlay: Overlay) -> None:
    """The expert that every token passes: gate and up side by side, then down."""
    hidden, inner = subject.arch.hidden_size, subject.arch.intermediate_size
    gate, up = rows
    lowest = up + overlay.tap("up_proj")
    start = (at.BUS, gate - GRID - 54)
    if overlay.tap("up_proj"):
        canvas.wire([start, (at.BUS, lowest)], arrow=False)
        canvas.wire([(at.BUS, up), (at.SITE, up)])
    else:
        canvas.wire([start, (at.BUS, up), (at.SITE, up)])
    canvas.wire([(at.BUS, gate), (at.SITE, gate)])
    canvas.text((at.SITE, gate - at.ROW / 2 - 9), "shared expert: sees every token", "note")
    middle = (gate + up) / 2
    for name, row in (("gate_proj", gate), ("up_proj", up)):
        right = _linear(canvas, (at.SITE, row), (name, hidden, inner), subject, overlay).right
        canvas.text((at.JOIN + 12, row - 6), shape("T", inner), "edge", room=70)
        canvas.wire([right, (PRODUCT, row), (PRODUCT, middle + (11 if row > middle else -11))])
    canvas.operation(Box(PRODUCT - 86, gate - 10, 44, 20), "SiLU", "mlp.silu")
    canvas.node((PRODUCT, middle), "×")
    canvas.text((PRODUCT + 16, middle - 6), shape("T", inner), "edge", room=70)
    canvas.wire([(PRODUCT + 11, middle), (DOWN, middle)])
    down = _linear(canvas, (DOWN, middle), ("down_proj", inner, hidden), subject, overlay)
    canvas.wire([down.right, (ADD - 11, middle)])


def _linear(
    canvas: Canvas, at_left: Point, site: tuple[str, int, int], subject: Naming, overlay: Overlay
) -> Box:
    name, d_in, d_out = site
    part = f"shared_expert.{name}"
    x, row = at_left
    box = Box(x, row - at.ROW / 2, at.SITE_WIDTH, at.ROW)
    join = (x + at.SITE_WIDTH + at.JOIN - at.SITE - at.SITE_WIDTH, row)
    entry = (at.BUS if x == at.SITE else x - 18, row)
    if x != at.SITE and overlay.tap(name):
        canvas.wire([entry, (entry[0], row + overlay.tap(name))], arrow=False)
    slot = Slot(name, box, d_in, d_out, entry, join)
    draw_linear(canvas, slot, part, subject, overlay)
    return box
