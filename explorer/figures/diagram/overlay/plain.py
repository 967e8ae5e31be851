"""The overlay that adds nothing: the base model alone, and the hooks that methods fill in."""

from dataclasses import dataclass

from explorer.budget.trainable import TrainableCount
from explorer.figures.diagram.canvas import Box, Canvas, Kind
from explorer.figures.diagram.overlay.part import MethodPart
from explorer.figures.diagram.plan import Naming, Slot


@dataclass(frozen=True)
class AttentionPlan:
    """The attention lane as it was drawn, for a method that adds to the attention itself."""

    rows: dict[str, float]  # middle of the rows of q_proj, k_proj, v_proj and of the way back
    norm: Box
    core: Box
    under_values: float  # room taken under v_proj


@dataclass(frozen=True)
class Overlay:
    """No method. Methods override what they change; heights are in pixels."""

    name: str = ""
    trained: TrainableCount | None = None

    @property
    def exits_right(self) -> bool:
        """Whether something joins the attention output before o_proj."""
        return False

    def layers(self) -> frozenset[int]:
        """The layers that hold something of the method."""
        return frozenset(self.trained.layers if self.trained else ())

    def lead(self, subject: Naming) -> str:
        """A sentence under the title, with numbers."""
        return ""

    def kind(self, part: str) -> Kind:
        """How a part with weights is drawn."""
        return "frozen"

    def stored(self, site: str) -> str:
        """How the weight of a linear is stored, where that is not as it was trained."""
        return ""

    def key_heads(self, subject: Naming) -> int:
        """Key heads that reach the attention."""
        return subject.arch.num_key_value_heads

    def parts(self, subject: Naming) -> dict[str, MethodPart]:
        """What the method adds to this layer, by the id of the box."""
        return {}

    def below(self, site: str) -> float:
        """Room that the method needs under a linear."""
        return 0.0

    def tap(self, site: str) -> float:
        """How far under a linear's row the method takes in its input; 0 for nowhere."""
        return 0.0

    def last(self, site: str) -> float:
        """Room under a linear in the last row of a lane: a little more, up to the next lane."""
        return self.below(site) + 12 if self.below(site) else 0.0

    def after(self, row: str) -> float:
        """Room for further rows of the attention lane after the row of this linear."""
        return 0.0

    def draw_site(self, canvas: Canvas, slot: Slot) -> None:
        """Draw beside or under a linear."""

    def draw_attention(self, canvas: Canvas, plan: AttentionPlan, subject: Naming) -> None:
        """Draw in the attention lane."""

    def footer(self, subject: Naming) -> float:
        """Room for a lane of its own under the block."""
        return 0.0

    def draw_footer(self, canvas: Canvas, y: float, subject: Naming) -> None:
        """Draw in that lane, whose title stands at `y`."""


@dataclass(frozen=True)
class Absent(Overlay):
    """A layer that the method leaves alone."""

    def lead(self, subject: Naming) -> str:
        """Say so."""
        held = len(self.layers())
        return f"this layer holds nothing of it; {held} of {subject.arch.num_hidden_layers} do"
