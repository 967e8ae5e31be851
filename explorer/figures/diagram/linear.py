"""A linear of a block: its box, and whatever the method draws on it."""

from explorer.figures.diagram import plan as at
from explorer.figures.diagram.canvas import Box, Canvas, Caption
from explorer.figures.diagram.overlay.plain import Overlay
from explorer.figures.diagram.parts import numbers_in
from explorer.figures.diagram.plan import Naming, Slot
from explorer.figures.diagram.text import count


def draw_linear(canvas: Canvas, slot: Slot, part: str, subject: Naming, overlay: Overlay) -> None:
    """The box of the linear in `slot`, with shape and count, then the method's own marks."""
    stored = overlay.stored(slot.name)
    # a format shares its line with the method's mark
    detail = f"{slot.d_in}→{slot.d_out} {stored}" if stored else f"{slot.d_in} → {slot.d_out}"
    caption = Caption(slot.name, count(numbers_in(subject.arch, part)), detail)
    canvas.box(slot.box, caption, part, overlay.kind(part))
    overlay.draw_site(canvas, slot)


def draw_gate(canvas: Canvas, row: float) -> None:
    """The tanh gate on the way back from a sublayer of a cross-attention layer."""
    gate = Box(at.NORM + 66, row - 10, 52, 20)
    canvas.operation(gate, "× tanh g", "cross_attention.gates")
