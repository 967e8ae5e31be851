"""Where things stand in the drawing of a block, and the frame that every drawing shares."""

from dataclasses import dataclass

from explorer.catalogue.architecture import Architecture
from explorer.figures.diagram.canvas import Box, Canvas, Point

SPINE = 44.0  # x of the residual stream
NORM = 92.0
NORM_WIDTH = 118.0
BUS = 238.0  # where the normalised stream fans out
SITE = 268.0  # linears
SITE_WIDTH = 176.0
JOIN = 464.0  # where an adapter's output joins a linear's
ROPE = 540.0
QK_NORM = 584.0
PANEL = 630.0
PANEL_WIDTH = 258.0
CORE = 966.0  # attention proper
CORE_WIDTH = 170.0
EXIT = 1154.0  # where the attention output passes what a method adds to it
WIDTH = 1180.0
ROW = 48.0  # height of a box
PITCH = 78.0  # from one row to the next


@dataclass(frozen=True)
class Naming:
    """What is drawn: a model's shape, the name it goes by, and one of its layers."""

    arch: Architecture
    name: str
    layer: int

    @property
    def crosses(self) -> bool:
        """Whether the layer is one of Mllama's cross-attention layers."""
        return self.layer in self.arch.cross_attention_layers

    @property
    def routes(self) -> bool:
        """Whether the layer has experts."""
        return self.layer in self.arch.moe_layers

    @property
    def rotates(self) -> bool:
        """Whether the layer rotates queries and keys."""
        return self.layer not in self.arch.no_rope_layers and not self.crosses

    @property
    def chunk(self) -> int | None:
        """Length of the chunks that attention is confined to in this layer, if any."""
        return self.arch.attention_chunk_size if self.rotates else None

    @property
    def attention(self) -> str:
        """First half of the ids of this layer's attention parts."""
        return "cross_attention" if self.crosses else "attention"


@dataclass(frozen=True)
class Slot:
    """A linear as it was drawn: where an adapter finds its input and where its output joins.

    `forward` is -1 on the way back to the residual stream, where a row runs from right to left.
    """

    name: str
    box: Box
    d_in: int
    d_out: int
    entry: Point
    join: Point
    forward: int = 1


def residual(canvas: Canvas, top: float, bottom: float, label: str) -> None:
    """The residual stream from `top` to `bottom`, its shape written along it."""
    canvas.wire([(SPINE, top), (SPINE, bottom)], "spine")
    canvas.upright((SPINE - 12, top + 130), f"residual stream  {label}")


def lane_title(canvas: Canvas, y: float, words: str, note: str = "") -> None:
    """A lane's name in small capitals, a sentence after it."""
    canvas.text((NORM, y), words.upper(), "lane")
    if note:
        canvas.text((SITE, y), note, "note", room=WIDTH - SITE - 40)
