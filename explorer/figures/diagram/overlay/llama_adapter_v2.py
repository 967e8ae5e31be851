"""LLaMA-Adapter V2 on a block: bias and scale on every linear, norms, prompts, early images."""

from dataclasses import dataclass

from explorer.figures.diagram.canvas import Box, Canvas, Caption, Kind
from explorer.figures.diagram.overlay.lora import GAP, SMALL
from explorer.figures.diagram.overlay.plain import AttentionPlan, Overlay
from explorer.figures.diagram.overlay.prompts import Vectors, draw_vectors, room_for
from explorer.figures.diagram.plan import Naming, Slot
from explorer.figures.diagram.text import brief

LINEARS = frozenset(
    ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "router")
)


@dataclass(frozen=True)
class LlamaAdapterV2Overlay(Overlay):
    """chat: W(s ⊙ x) + b, the authors' text model; paper: s ⊙ (Wx + b) (arXiv:2304.15010)."""

    chat: bool = True
    adapter_len: int = 0  # in this layer
    visual_tokens: int = 0  # in this layer
    r: int = 0
    tanh: bool = True

    @property
    def exits_right(self) -> bool:
        """Whether prompts or image tokens join before o_proj."""
        return bool(self.adapter_len or self.visual_tokens)

    def lead(self, subject: Naming) -> str:
        """The equation of a linear."""
        equation = "W(s ⊙ x) + b" if self.chat else "s ⊙ (Wx + b)"
        low_rank = f" + B A x with r = {self.r}" if self.r else ""
        return f"every linear becomes {equation}{low_rank}, from s = 1 and b = 0; every norm trains"

    def kind(self, part: str) -> Kind:
        """Norms train, linears do not."""
        return "trained" if part.endswith("layernorm") or part == "norm" else "frozen"

    def below(self, site: str) -> float:
        """Room for scale and bias."""
        return SMALL + 2 if site in LINEARS else 0.0

    def after(self, row: str) -> float:
        """Room for prompts and image tokens."""
        sets = bool(self.adapter_len) + bool(self.visual_tokens)
        return room_for(sets) if row == "v_proj" else 0.0

    def draw_site(self, canvas: Canvas, slot: Slot) -> None:
        """b under the linear that it becomes part of, s on the side where it acts."""
        box, top = slot.box, slot.box.y + slot.box.height + GAP
        half = (box.width - 12) / 2
        places = [Box(box.x, top, half, SMALL), Box(box.x + box.width - half, top, half, SMALL)]
        scale, bias = places if (slot.forward > 0) == self.chat else places[::-1]
        width = slot.d_in if self.chat else slot.d_out
        side = "on the input" if self.chat else "on the output"
        for letter, place, size, said in (
            ("s", scale, width, f"scale {side} of {slot.name}"),
            ("b", bias, slot.d_out, f"bias of {slot.name}"),
        ):
            caption = Caption(letter, brief(size), f"[{size}]", said)
            canvas.box(place, caption, f"method.{slot.name}.{letter}", "trained")
        canvas.wire([bias.top, (bias.top[0], box.y + box.height)], "hot")
        self._scales(canvas, slot, scale)
        if self.r:
            x, row = slot.join[0] + 12 * slot.forward, scale.middle[1] + 4
            numbers = brief(self.r * (slot.d_in + slot.d_out))
            words = f"+ B A, r = {self.r}: {numbers}"
            canvas.text(
                (x, row), words, "edge hot-text", "start" if slot.forward > 0 else "end", 130
            )

    def _scales(self, canvas: Canvas, slot: Slot, scale: Box) -> None:
        """From s to the product with the input (chat) or with the output (paper)."""
        row, y = scale.middle[1], slot.box.middle[1]
        if not self.chat:
            x = slot.join[0]
        else:
            x = slot.box.x - 14 if slot.forward > 0 else slot.entry[0]
        start = scale.left if x < scale.x else scale.right
        canvas.wire([start, (x, row), (x, y + 8)], "hot")
        canvas.node((x, y), "×", "hot", 7)

    def draw_attention(self, canvas: Canvas, plan: AttentionPlan, subject: Naming) -> None:
        """Image tokens in the first layers, prompts in the late ones."""
        heads = subject.arch.num_attention_heads
        gate = "tanh(g)" if self.tanh else "g"
        sets = []
        for number, letter, words, trained in (
            (self.visual_tokens, "image tokens", "image tokens: early fusion", False),
            (self.adapter_len, "P", "prompts: no norm, no position", True),
        ):
            if number:
                said = f"{number} {words}"
                sets.append(
                    Vectors(
                        letter, number, said, gate, heads, "one a head", trained, "W with s and b"
                    )
                )
        draw_vectors(canvas, plan, subject, tuple(sets))
