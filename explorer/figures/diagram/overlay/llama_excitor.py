"""LLaMA-Excitor on a block: keys rebuilt from learned prompts join the frozen ones."""

from dataclasses import dataclass

from explorer.figures.diagram import plan as at
from explorer.figures.diagram.canvas import Box, Canvas, Caption
from explorer.figures.diagram.overlay.lora import SMALL
from explorer.figures.diagram.overlay.part import MethodPart
from explorer.figures.diagram.overlay.plain import AttentionPlan, Overlay
from explorer.figures.diagram.plan import Naming
from explorer.figures.diagram.text import brief, shape

ROW = 84.0  # from the row of k_proj to the row of D and U
MEET = 616.0  # x where g·e joins the keys


@dataclass(frozen=True)
class LlamaExcitorOverlay(Overlay):
    """Plain attention with keys k + g·e, e = softmax(U D x Pᵀ/√h) P (arXiv:2404.00913)."""

    adapter_len: int = 30
    r: int = 16
    per_head: bool = True
    rotate: bool = False
    gate_per_head: bool = True
    tanh: bool = False

    def lead(self, subject: Naming) -> str:
        """What changes and what does not."""
        return "only the keys change, to k + g·e: attention is reweighted, values stay the base's"

    def parts(self, subject: Naming) -> dict[str, MethodPart]:
        """D, U, the prompts, the extra keys, the gate."""
        arch = subject.arch
        hidden, width = arch.hidden_size, arch.q_dim
        gates = arch.num_attention_heads if self.gate_per_head else 1
        return {
            "method.D": MethodPart(
                "D", (("down", (self.r, hidden)),), f"D x, D[{self.r}, {hidden}]",
                "Half of the low-rank map that makes the extra queries.",
            ),
            "method.U": MethodPart(
                "U", (("up", (width, self.r)),), f"e_q = U D x, U[{width}, {self.r}]",
                "The other half; it starts with random values, for with U = 0 and g = 0 nothing "
                "would ever learn.",
            ),
            "method.prompt": MethodPart(
                "Prompts", (("prompt", (self.adapter_len, width)),),
                f"P[{self.adapter_len}, {width}]",
                "Learned vectors that are key and value at once in the extra attention.",
            ),
            "method.extra": MethodPart(
                "Extra keys", (), "e = softmax(U D x Pᵀ / √h) P",
                "What each token reads from the prompts becomes an addition to its key.",
            ),
            "method.gate": MethodPart(
                "Gate", (("gate", (gates,)),), "k + g · e",
                "The cold-start factor: from 0, the keys are the base's own.",
            ),
        }  # fmt: skip

    def key_heads(self, subject: Naming) -> int:
        """e has every query head's width, so keys are widened to all heads."""
        return subject.arch.num_attention_heads

    def after(self, row: str) -> float:
        """The row of the extra keys, with the prompts under it."""
        return 122.0 if row == "k_proj" else 0.0

    def draw_attention(self, canvas: Canvas, plan: AttentionPlan, subject: Naming) -> None:
        """D, U, attention over P, gate, and the sum with the keys."""
        arch = subject.arch
        key_row = plan.rows["k_proj"]
        row = key_row + ROW
        half = (at.SITE_WIDTH - 12) / 2
        down = Box(at.SITE, row - SMALL / 2, half, SMALL)
        up = Box(at.SITE + at.SITE_WIDTH - half, row - SMALL / 2, half, SMALL)
        for box, letter, rows, columns in (
            (down, "D", self.r, arch.hidden_size),
            (up, "U", arch.q_dim, self.r),
        ):
            size = shape(rows, columns)
            caption = Caption(letter, brief(rows * columns), size, "low-rank map to extra queries")
            canvas.box(box, caption, f"method.{letter}", "trained")
        canvas.wire([(at.BUS, row), down.left], "hot")
        canvas.wire([down.right, up.left], "hot")
        core = self._extra(canvas, row, subject)
        canvas.wire([up.right, core.left], "hot")
        self._meets(canvas, (key_row, row), core, subject)

    def _extra(self, canvas: Canvas, row: float, subject: Naming) -> Box:
        arch = subject.arch
        core = Box(at.JOIN - 2, row - 26, 136, 52)
        width = arch.head_dim if self.per_head else arch.q_dim
        spoken = "extra keys: attention of U D x over the prompts, which are key and value at once"
        canvas.open_group(core, Caption("e", spoken=spoken), "method.extra", "op")
        lines = ((f"softmax(UDx Pᵀ/√{width}) P", "edge"), (self._sized(subject), "edge text-key"))
        for number, (words, style) in enumerate(lines):
            canvas.text((core.middle[0], row - 4 + 17 * number), words, style, "middle", 124)
        canvas.close_group()
        prompts = Box(core.x, core.y + core.height + 16, core.width, SMALL)
        size = shape(self.adapter_len, arch.q_dim)
        caption = Caption("P", brief(self.adapter_len * arch.q_dim), size, "prompts")
        canvas.box(prompts, caption, "method.prompt", "trained")
        canvas.wire([prompts.top, core.bottom], "hot")
        left = (at.SITE, row + SMALL / 2 + 18)
        canvas.text(left, "extra queries U D x, no position", "note", room=190)
        if arch.num_key_value_groups > 1:
            words = (
                f"keys widened from {arch.num_key_value_heads} to {arch.num_attention_heads} heads"
            )
            canvas.text((left[0], left[1] + 16), words, "note", room=190)
        return core

    def _sized(self, subject: Naming) -> str:
        return f"e: {shape(subject.arch.num_attention_heads, 'T', subject.arch.head_dim)}"

    def _meets(self, canvas: Canvas, rows: tuple[float, float], core: Box, subject: Naming) -> None:
        key_row, row = rows
        canvas.wire([core.right, (MEET, row), (MEET, key_row + 9)], "hot")
        canvas.node((MEET, key_row), "+", "hot", 8)
        gates = subject.arch.num_attention_heads if self.gate_per_head else 1
        words = "tanh g" if self.tanh else "× g"
        wide = 42 if self.tanh else 30
        pill = Box(MEET - wide / 2, key_row + 27, wide, 20)
        canvas.operation(pill, words, "method.gate", f"{gates} gates, from 0", "trained")
        said = f"{gates} gates" if gates > 1 else "one gate"
        if self.rotate:
            said += ", e rotated"
        canvas.text((pill.x - 7, key_row + 41), said, "edge hot-text", "end", 120)
