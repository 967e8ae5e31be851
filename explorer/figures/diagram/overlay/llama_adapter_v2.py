"""LLaMA-Adapter V2 on a block: bias and scale on every linear, norms, prompts, early images."""

from dataclasses import dataclass

from explorer.figures.diagram.canvas import Box, Canvas, Caption, Kind
from explorer.figures.diagram.overlay.lora import GAP, SMALL
from explorer.figures.diagram.overlay.part import MethodPart, sites_of
from explorer.figures.diagram.overlay.plain import AttentionPlan, Overlay
from explorer.figures.diagram.overlay.prompts import Vectors, draw_vectors, room_for
from explorer.figures.diagram.plan import Naming, Slot
from explorer.figures.diagram.text import brief

LINEARS = frozenset(("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"))


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
        if slot.name not in LINEARS:
            return
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
            towards = slot.forward
            x = slot.join[0] + 10 * towards
            pill = Box(x if towards > 0 else x - 92, scale.middle[1] - 8, 92, 19)
            words, spoken = f"+ B A, r = {self.r}", f"LoRA beside {slot.name}"
            canvas.operation(pill, words, f"method.{slot.name}.BA", spoken, "trained")

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

    def _sets(self, subject: Naming) -> tuple[Vectors, ...]:
        """Image tokens in the first layers, prompts in the late ones."""
        heads = subject.arch.num_attention_heads
        gate = "tanh(g)" if self.tanh else "g"
        return tuple(
            Vectors(
                letter, number, f"{number} {words}", gate, heads, "one a head", trained,
                "W with s and b",
            )
            for number, letter, words, trained in (
                (self.visual_tokens, "image tokens", "image tokens: early fusion", False),
                (self.adapter_len, "P", "prompts: no norm, no position", True),
            )
            if number
        )  # fmt: skip

    def parts(self, subject: Naming) -> dict[str, MethodPart]:
        """Scale, bias and LoRA of every linear; prompts, image tokens and their gates."""
        found = {}
        for site in sites_of(subject, LINEARS):
            start = f"method.{site.name}"
            width = site.d_in if self.chat else site.d_out
            found[f"{start}.s"] = MethodPart(
                f"Scale of {site.name}", (("scale", (width,)),),
                "W(s ⊙ x) + b" if self.chat else "s ⊙ (Wx + b)",
                "One factor a channel, 1 at the start.",
            )  # fmt: skip
            found[f"{start}.b"] = MethodPart(
                f"Bias of {site.name}", (("bias", (site.d_out,)),), "Wx + b",
                "One number a channel of the output, 0 at the start.",
            )  # fmt: skip
            if self.r:
                low_rank = (("lora_A", (self.r, site.d_in)), ("lora_B", (site.d_out, self.r)))
                found[f"{start}.BA"] = MethodPart(
                    f"LoRA beside {site.name}", low_rank, "y + B A x",
                    "An optional low-rank branch with factor 1; B is 0 at the start.",
                )  # fmt: skip
        for vectors in self._sets(subject):
            found |= vectors.parts(subject)
        return found

    def draw_attention(self, canvas: Canvas, plan: AttentionPlan, subject: Naming) -> None:
        """Image tokens and prompts, each with a second softmax and a gate."""
        draw_vectors(canvas, plan, subject, self._sets(subject))
