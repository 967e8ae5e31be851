"""Methods that train what is already there: everything, or the norms and the biases."""

from dataclasses import dataclass

from explorer.figures.diagram.canvas import Kind
from explorer.figures.diagram.overlay.plain import Overlay
from explorer.figures.diagram.plan import Naming


@dataclass(frozen=True)
class FullOverlay(Overlay):
    """Full fine-tuning: every weight trains."""

    def lead(self, subject: Naming) -> str:
        """Say so."""
        return "every weight of every layer trains, embedding and head too"

    def kind(self, part: str) -> Kind:
        """Trained."""
        return "trained"


@dataclass(frozen=True)
class NormsOverlay(Overlay):
    """Norm tuning: the gains of every RMSNorm train, and biases where the model has them."""

    biases: bool = False

    def lead(self, subject: Naming) -> str:
        """What there is to train."""
        arch = subject.arch
        there = arch.attention_bias or arch.mlp_bias
        biases = f", and {'the biases' if there else 'no bias: this model has none'}"
        return f"the gains of every RMSNorm train{biases if self.biases else ''}"

    def kind(self, part: str) -> Kind:
        """Norms train."""
        return "trained" if part.endswith("layernorm") or part == "norm" else "frozen"
