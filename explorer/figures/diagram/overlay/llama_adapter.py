"""LLaMA-Adapter V1 on a block: prompts, frozen projections, second softmax, tanh gate a head."""

from dataclasses import dataclass

from explorer.figures.diagram.canvas import Canvas
from explorer.figures.diagram.overlay.part import MethodPart
from explorer.figures.diagram.overlay.plain import AttentionPlan, Overlay
from explorer.figures.diagram.overlay.prompts import Vectors, draw_vectors, room_for
from explorer.figures.diagram.plan import Naming


@dataclass(frozen=True)
class LlamaAdapterOverlay(Overlay):
    """o = softmax(q kᵀ/√h + causal) v + tanh(g) softmax(q (W_k P)ᵀ/√h) W_v P (arXiv:2303.16199).

    peft's ADAPTION_PROMPT is the same with one gate a layer and no tanh.
    """

    adapter_len: int = 10
    tanh: bool = True
    gate_per_head: bool = True

    @property
    def exits_right(self) -> bool:
        """The prompts join before o_proj."""
        return True

    def lead(self, subject: Naming) -> str:
        """Prompts and gates of one layer."""
        gate = "tanh(g)" if self.tanh else "g"
        each = "one gate a head" if self.gate_per_head else "one gate"
        return (
            f"{self.adapter_len} prompts a layer, {each}; {gate} = 0 at the start, so training "
            "begins at the base model"
        )

    def after(self, row: str) -> float:
        """The rows of the prompts' keys and values."""
        return room_for(1) if row == "v_proj" else 0.0

    def _vectors(self, subject: Naming) -> Vectors:
        gates = subject.arch.num_attention_heads if self.gate_per_head else 1
        return Vectors(
            letter="P",
            number=self.adapter_len,
            words=f"{self.adapter_len} prompts: no norm, no position",
            gate="tanh(g)" if self.tanh else "g",
            gate_numbers=gates,
            gate_words="one a head" if self.gate_per_head else "one a layer",
        )

    def parts(self, subject: Naming) -> dict[str, MethodPart]:
        """Prompts, second attention, gate."""
        return self._vectors(subject).parts(subject)

    def draw_attention(self, canvas: Canvas, plan: AttentionPlan, subject: Naming) -> None:
        """Prompts through the layer's own projections, into a second softmax, through a gate."""
        draw_vectors(canvas, plan, subject, (self._vectors(subject),))
