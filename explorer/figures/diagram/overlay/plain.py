"""The overlay that adds nothing: the base model alone, and the hooks that methods fill in."""

from dataclasses import dataclass

from explorer.figures.diagram.canvas import Box, Canvas, Kind, Point
from explorer.figures.diagram.plan import Naming, Slot


@dataclass(frozen=True)
class AttentionPlan:
    """The attention lane as it was drawn, for a method that adds to the attention itself."""

    rows: dict[str, float]  # middle of the rows of q_proj, k_proj, v_proj and of the way back
    norm: Box
    core: Box
    merge: Point  # on the way from the attention down to o_proj


class Overlay:
    """No method. Methods override what they change; heights are in pixels."""

    name = ""

    def layers(self, subject: Naming) -> frozenset[int]:
        """The layers that the method acts on."""
        return frozenset()

    def lead(self, subject: Naming) -> str:
        """A sentence under the title: what is trained here, with numbers."""
        return ""

    def kind(self, part: str) -> Kind:
        """How a part with weights is drawn."""
        return "frozen"

    def below(self, site: str) -> float:
        """Room that the method needs under a linear."""
        return 0.0

    def tap(self, site: str) -> float:
        """How far under a linear's row the method takes in the linear's input; 0 for nowhere."""
        return 0.0

    def last(self, site: str) -> float:
        """Room under a linear in the last row of a lane: a little more, up to the next lane."""
        return self.below(site) + 12 if self.below(site) else 0.0

    def draw_site(self, canvas: Canvas, slot: Slot) -> None:
        """Draw beside or under a linear."""

    def after(self, row: str) -> float:
        """Room for further rows of the attention lane after the row of this linear."""
        return 0.0

    def draw_attention(self, canvas: Canvas, plan: AttentionPlan, subject: Naming) -> None:
        """Draw in the attention lane."""

    def footer(self, subject: Naming) -> float:
        """Room for a lane of its own under the block."""
        return 0.0

    def draw_footer(self, canvas: Canvas, y: float, subject: Naming) -> None:
        """Draw in that lane."""
