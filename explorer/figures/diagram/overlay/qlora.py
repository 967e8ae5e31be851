"""QLoRA on a block: every linear in 4 bits, LoRA beside it, and how a weight is stored."""

from dataclasses import dataclass
from statistics import NormalDist

from explorer.budget.sites import feed_forward_width
from explorer.figures.diagram import plan as at
from explorer.figures.diagram.canvas import Box, Canvas, Caption
from explorer.figures.diagram.overlay.llama_adapter_v2 import LINEARS
from explorer.figures.diagram.overlay.lora import LoraOverlay
from explorer.figures.diagram.overlay.part import MethodPart
from explorer.figures.diagram.plan import Naming, Slot
from explorer.figures.diagram.text import plain
from explorer.figures.nf4 import BLOCK, LEVELS, SCALE_BLOCK, bits_per_weight, quantize

HEIGHT = 236.0
AXIS = 330.0  # length of the axis of levels


@dataclass(frozen=True)
class QLoraOverlay(LoraOverlay):
    """y = dequantize(W) x + s·B(Ax): W in NF4, A and B in 16 bits (arXiv:2305.14314)."""

    double: bool = True

    def lead(self, subject: Naming) -> str:
        """Bits a weight."""
        bits = plain(round(bits_per_weight(self.double), 3))
        said = "with double quantization" if self.double else "with one scale a block"
        return f"frozen weights in NF4, {bits} bits each {said}; LoRA with r = {self.r} beside them"

    def parts(self, subject: Naming) -> dict[str, MethodPart]:
        """LoRA's, and the three steps of the storage."""
        bits = f"{bits_per_weight(self.double):.3f} bits a weight"
        return super().parts(subject) | {
            "method.nf4.block": MethodPart(
                "A block", (), f"{BLOCK} weights · 4 bits = {BLOCK // 2} bytes",
                "The weight is read row by row and cut into blocks, which may cross rows.",
            ),
            "method.nf4.levels": MethodPart(
                "NF4 levels", (), "code = nearest level to w / max|w| of the block",
                "Sixteen quantiles of a normal distribution, zero among them, scaled to ±1.",
            ),
            "method.nf4.scales": MethodPart(
                "Scales", (), bits,
                "Each block keeps its largest absolute value; double quantization stores these "
                "scales in 8 bits, with one 32-bit scale for 256 of them.",
            ),
        }  # fmt: skip

    def stored(self, site: str) -> str:
        """Linears are stored in 4 bits; the head, the embedding and fused experts are not."""
        return "NF4" if site in LINEARS else ""

    def draw_site(self, canvas: Canvas, slot: Slot) -> None:
        """Four bits in the corner of the box, then LoRA."""
        x, y = slot.box.x + slot.box.width - 52, slot.box.y + slot.box.height - 17.5
        canvas.cells([(x + 6 * i, y) for i in range(4)], 4.5, "fill-query", 9)
        super().draw_site(canvas, slot)

    def footer(self, subject: Naming) -> float:
        """Room for the picture of the storage."""
        return HEIGHT

    def draw_footer(self, canvas: Canvas, y: float, subject: Naming) -> None:
        """A block of 64 weights, the sixteen levels, the scales and their own scales."""
        numbers = subject.arch.hidden_size * feed_forward_width(subject.arch, subject.layer)
        canvas.rule((at.NORM, y - 24), (at.WIDTH - 32, y - 24))
        blocks = -(-numbers // BLOCK)
        name = "up_proj" if not subject.routes else "the shared expert's up_proj"
        note = f"{name}: {plain(numbers)} weights in {plain(blocks)} blocks of {BLOCK}"
        at.lane_title(canvas, y, "how a weight is stored", "")
        canvas.text((at.SITE + 20, y), note, "note", room=600)
        weights = [NormalDist().inv_cdf((i + 0.5) / BLOCK) for i in range(BLOCK)]
        weights = [weights[(i * 37 + 11) % BLOCK] for i in range(BLOCK)]
        codes, _ = quantize(weights)
        self._block(canvas, (at.NORM, y + 24), codes)
        self._levels(canvas, (at.NORM + 268, y + 24), codes)
        self._scales(canvas, (at.NORM + 664, y + 24), blocks)

    def _block(self, canvas: Canvas, corner: tuple[float, float], codes: list[int]) -> None:
        x, y = corner
        box = Box(x, y, 236, 176)
        caption = Caption("a block", spoken=f"{BLOCK} weights, each as a 4-bit code")
        canvas.open_group(box, caption, "method.nf4.block", "op")
        canvas.text((x + 14, y + 22), f"a block: {BLOCK} weights in a row", "label", room=210)
        for index, code in enumerate(codes):
            column, row = index % 16, index // 16
            at_cell = (x + 14 + column * 13.2, y + 36 + row * 19)
            shade = 0.16 + 0.84 * abs(LEVELS[code])
            tone = "fill-query" if LEVELS[code] < 0 else "fill-value"
            canvas.shaded(Box(*at_cell, 11.4, 16.5), tone, shade)
        canvas.text((x + 14, y + 130), "stronger: further from zero", "edge")
        canvas.text((x + 14, y + 147), "blue: below zero, ochre: above", "edge")
        canvas.text((x + 14, y + 164), f"{BLOCK} × 4 bits = {BLOCK // 2} bytes", "shape")
        canvas.close_group()

    def _levels(self, canvas: Canvas, corner: tuple[float, float], codes: list[int]) -> None:
        x, y = corner
        canvas.wire([(x - 32, y + 88), (x - 4, y + 88)])
        box = Box(x, y, AXIS + 34, 176)
        caption = Caption("NF4 levels", spoken="sixteen levels, close together near zero")
        canvas.open_group(box, caption, "method.nf4.levels", "op")
        words = "÷ the block's largest, then the nearest of 16 levels"
        canvas.text((x + 14, y + 22), words, "label", room=AXIS)
        base = y + 124
        places = [x + 17 + AXIS * (level + 1) / 2 for level in LEVELS]
        used = [codes.count(code) for code in range(16)]
        for place, number in zip(places, used, strict=True):
            tall = 6 + 74 * number / max(used)
            canvas.plate(Box(place - 3.4, base - tall, 6.8, tall), "fill-query", 2)
        canvas.rule((x + 12, base), (x + AXIS + 22, base))
        for code in (0, 7, 15):
            level = plain(round(LEVELS[code], 2)).replace("-", "−")
            canvas.text((places[code], base + 15), level, "edge", "middle")
        canvas.text((x + 14, y + 164), "bars: how often this block uses each level", "shape")
        canvas.close_group()

    def _scales(self, canvas: Canvas, corner: tuple[float, float], blocks: int) -> None:
        x, y = corner
        canvas.wire([(x - 32, y + 88), (x - 4, y + 88)])
        box = Box(x, y, 392, 176)
        caption = Caption("scales", spoken="one a block; with double quantization in 8 bits")
        canvas.open_group(box, caption, "method.nf4.scales", "op")
        canvas.text((x + 14, y + 22), f"scales: {plain(blocks)}, one a block", "label", room=360)
        canvas.cells([(x + 14 + i * 11.3, y + 34) for i in range(32)], 9, "fill-line", 16)
        if self.double:
            groups = -(-blocks // SCALE_BLOCK)
            lines = [
                (f"minus their mean, in groups of {SCALE_BLOCK}: 8 bits each", "shape"),
                (f"and one 32-bit scale a group, {plain(groups)} in all", "shape"),
                (f"4 + 8/{BLOCK} + 32/({BLOCK} · {SCALE_BLOCK})", "note"),
            ]
            canvas.cells([(x + 14 + i * 11.3, y + 54) for i in range(32)], 9, "fill-query", 6)
            canvas.cells([(x + 14, y + 64)], 358, "fill-hot", 3)
        else:
            lines = [("32 bits each", "shape"), (f"4 + 32/{BLOCK}", "note")]
        for number, (words, style) in enumerate(lines):
            canvas.text((x + 14, y + 90 + 18 * number), words, style, room=364)
        bits = f"= {bits_per_weight(self.double):.3f} bits a weight"
        canvas.text((x + 14, y + 164), bits, "label text-ink", room=364)
        canvas.close_group()
