"""Learned vectors that a layer's queries attend to beside the text: a second softmax, gated."""

from dataclasses import dataclass

from explorer.figures.diagram import plan as at
from explorer.figures.diagram.canvas import Box, Canvas, Caption
from explorer.figures.diagram.overlay.part import MethodPart
from explorer.figures.diagram.overlay.plain import AttentionPlan
from explorer.figures.diagram.plan import Naming
from explorer.figures.diagram.text import brief, shape

STEP = 58.0  # from the row of keys to the row of values
FIRST = 84.0  # from the row of v_proj to the first row of keys
EACH = 208.0  # from one set of vectors to the next


@dataclass(frozen=True)
class Vectors:
    """A set of vectors: K prompts that train, or the tokens of an image."""

    letter: str
    number: int
    words: str
    gate: str
    gate_numbers: int
    gate_words: str
    trained: bool = True
    ghost: str = "same frozen W"

    def parts(self, subject: Naming) -> dict[str, MethodPart]:
        """The vectors, the second attention, the gate."""
        size = (self.number, subject.arch.hidden_size)
        held = (("prompt", size),) if self.trained else ()
        about = (
            "Learned vectors that every query of the layer may attend to. They pass the layer's "
            "own key and value projections, without norm and without position."
            if self.trained
            else "Image tokens, projected to the model's width, that the first layers attend to."
        )
        return {
            self.part: MethodPart(self.words, held, f"P[{size[0]}, {size[1]}]", about),
            f"{self.part}.core": MethodPart(
                "Second attention", (), "softmax(q pkᵀ / √h) pv",
                "A softmax of its own, so that the vectors take no weight away from the text.",
            ),
            f"{self.part}.gate": MethodPart(
                "Gate", (("gate", (self.gate_numbers,)),), f"o + {self.gate} o_p",
                "Starts at zero: at first nothing is added, and only the gate has a gradient.",
            ),
        }  # fmt: skip

    @property
    def part(self) -> str:
        """First half of the ids of its parts."""
        return "method.prompt" if self.trained else "method.visual"


def room_for(number: int) -> float:
    """Height that `number` sets need in the attention lane."""
    return 162 + EACH * (number - 1) if number else 0.0


def draw_vectors(
    canvas: Canvas, plan: AttentionPlan, subject: Naming, sets: tuple[Vectors, ...]
) -> None:
    """Every set under the other; each joins the attention output on its way to o_proj."""
    above = plan.core
    for number, vectors in enumerate(sets):
        top = plan.rows["v_proj"] + plan.under_values + FIRST + EACH * number
        _source(canvas, top, vectors, subject)
        _projected(canvas, top, vectors, subject)
        above = _core(canvas, (top, above), vectors, subject)


def _source(canvas: Canvas, top: float, vectors: Vectors, subject: Naming) -> None:
    middle = top + STEP / 2
    hidden = subject.arch.hidden_size
    box = Box(at.NORM, middle - at.ROW / 2, at.NORM_WIDTH, at.ROW)
    numbers = brief(vectors.number * hidden) if vectors.trained else ""
    detail = shape(vectors.number, hidden)
    caption = Caption(vectors.letter, numbers, detail, vectors.words, code=vectors.trained)
    canvas.box(box, caption, vectors.part, "trained" if vectors.trained else "op")
    tone = "hot" if vectors.trained else "image"
    for row in (top, top + STEP):
        canvas.wire([box.right, (at.BUS, middle), (at.BUS, row), (at.SITE, row)], tone)


def _projected(canvas: Canvas, top: float, vectors: Vectors, subject: Naming) -> None:
    """Keys and values of the vectors, through the layer's own projections."""
    arch = subject.arch
    tone = "hot" if vectors.trained else "image"
    pitch = min(11.0, (at.PANEL_WIDTH - 16) / vectors.number)
    cell = max(pitch - 2, pitch * 0.6)
    for row, name, colour in ((top, "k_proj", "key"), (top + STEP, "v_proj", "value")):
        box = Box(at.SITE, row - 19, at.SITE_WIDTH, 38)
        canvas.open_group(box, Caption(name, spoken=vectors.ghost), f"attention.{name}", "ghost")
        canvas.text((box.x + 10, row + 4.5), name, "name")
        canvas.text((box.x + box.width - 10, row + 4.5), vectors.ghost, "edge", "end", 104)
        canvas.close_group()
        canvas.wire([box.right, (at.PANEL, row)], tone)
        canvas.text((at.JOIN + 12, row - 6), shape(vectors.number, arch.kv_dim), "edge", room=120)
        heads = f"{arch.num_key_value_heads} × {arch.head_dim}"
        canvas.text((at.JOIN + 12, row + 15), heads, f"edge text-{colour}", room=120)
        shown = min(vectors.number, 256)
        places = [(at.PANEL + 8 + i * pitch, row - 5.5) for i in range(shown)]
        canvas.cells(places, cell, f"fill-{colour}", 11)
        end = at.PANEL + 8 + shown * pitch
        canvas.wire([(end + 4, row), (at.CORE, row)], tone)
    words = (at.PANEL + 8, top + STEP / 2 + 4)
    canvas.text(words, vectors.words, "note", room=at.PANEL_WIDTH + 60)


def _core(canvas: Canvas, place: tuple[float, Box], vectors: Vectors, subject: Naming) -> Box:
    top, above = place
    arch = subject.arch
    box = Box(at.CORE, top - 26, at.CORE_WIDTH, STEP + 52)
    spoken = f"softmax of the same queries over {vectors.number} vectors, no mask"
    canvas.wire([(box.x + 36, above.y + above.height), (box.x + 36, box.y)])
    gap = box.y - above.y - above.height
    canvas.text((box.x + 46, above.y + above.height + gap / 2 + 4), "the same q", "edge text-query")
    canvas.open_group(box, Caption("second attention", spoken=spoken), f"{vectors.part}.core", "op")
    middle = box.x + box.width / 2
    lines = (
        ("second attention", "label"), (f"softmax(q pkᵀ / √{arch.head_dim}) pv", "shape"),
        (f"no mask: all {vectors.number} seen", "edge"), ("pk is not rotated", "edge"),
    )  # fmt: skip
    for number, (words, style) in enumerate(lines):
        canvas.text((middle, box.y + 29 + 19 * number), words, style, "middle", box.width - 14)
    canvas.close_group()
    gate = Box(box.x, box.y + box.height + 22, 128, 44)
    caption = Caption(
        vectors.gate, brief(vectors.gate_numbers), vectors.gate_words, "gate, starts at 0"
    )
    canvas.wire([(gate.top[0], box.y + box.height), gate.top])
    canvas.box(gate, caption, f"{vectors.part}.gate", "trained")
    canvas.wire([gate.right, (at.EXIT - 9, gate.right[1])], "hot")
    canvas.node((at.EXIT, gate.right[1]), "+", "hot", 9)
    return Box(box.x, box.y, box.width, gate.y + gate.height - box.y)
