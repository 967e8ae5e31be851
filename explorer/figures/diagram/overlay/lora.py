"""LoRA on a block: A and B beside every targeted W, with their shapes (arXiv:2106.09685)."""

from dataclasses import dataclass

from explorer.budget.sites import Site, linear_sites
from explorer.figures.diagram.canvas import Box, Canvas, Caption, Kind
from explorer.figures.diagram.overlay.plain import Overlay
from explorer.figures.diagram.plan import ROW, Naming, Slot
from explorer.figures.diagram.text import brief, count, plain

SMALL = 44.0  # height of A and B
GAP = 8.0


@dataclass(frozen=True)
class LoraOverlay(Overlay):
    """y = W₀x + s·B(Ax), with A[r, in] and B[out, r] trained and W₀ frozen."""

    r: int
    scale: float
    scale_name: str
    targets: frozenset[str]
    dora: bool = False
    name: str = "LoRA"

    def layers(self, subject: Naming) -> frozenset[int]:
        """The layers that have a targeted linear."""
        return frozenset(s.layer for s in self._sites(subject) if s.layer is not None)

    def _sites(self, subject: Naming) -> list[Site]:
        return [
            site for site in linear_sites(subject.arch)
            if site.name in self.targets and not site.in_vision
        ]  # fmt: skip

    def lead(self, subject: Naming) -> str:
        """What A and B of this layer hold."""
        here = [site for site in self._sites(subject) if site.layer == subject.layer]
        trained = sum(self.r * (s.d_in + s.d_out) + self.dora * s.d_out for s in here)
        named = ", ".join(dict.fromkeys(site.name for site in here)) or "no linear of this layer"
        return f"r = {self.r} on {named}: {count(trained)} trained in this layer"

    def below(self, site: str) -> float:
        """Room for the row of A and B."""
        return SMALL + 2 if site in self.targets else 0.0

    def tap(self, site: str) -> float:
        """Middle of the row of A and B."""
        return (ROW + SMALL) / 2 + GAP if site in self.targets else 0.0

    def draw_site(self, canvas: Canvas, slot: Slot) -> None:
        """A and B under the linear, joined to its output."""
        if slot.name not in self.targets:
            return
        box, row = slot.box, slot.box.y + slot.box.height + GAP + SMALL / 2
        half = (box.width - 12) / 2
        left = Box(box.x, row - SMALL / 2, half, SMALL)
        right = Box(box.x + box.width - half, row - SMALL / 2, half, SMALL)
        a, b = (left, right) if slot.forward > 0 else (right, left)
        self._matrix(canvas, a, "A", (self.r, slot.d_in), slot.name)
        self._matrix(canvas, b, "B", (slot.d_out, self.r), slot.name)
        enters, leaves = ("left", "right") if slot.forward > 0 else ("right", "left")
        start = (slot.entry[0], row)
        if slot.forward < 0:
            canvas.wire([slot.entry, start, getattr(a, enters)], "hot")
        else:
            canvas.wire([start, getattr(a, enters)], "hot")
        canvas.wire([getattr(a, leaves), getattr(b, enters)], "hot")
        turn, end = (slot.join[0], row), (slot.join[0], slot.join[1] + 9)
        canvas.wire([getattr(b, leaves), turn, end], "hot")
        canvas.node(slot.join, "+", "hot", 8)
        self._scaled(canvas, slot, row)

    def _matrix(
        self, canvas: Canvas, box: Box, letter: str, size: tuple[int, int], site: str
    ) -> None:
        shape = f"{size[0]} × {size[1]}"
        spoken = f"LoRA {letter} beside {site}"
        caption = Caption(letter, brief(size[0] * size[1]), shape, spoken)
        canvas.box(box, caption, f"lora.{site}.{letter}", self._kind())

    def _kind(self) -> Kind:
        return "trained"

    def _scaled(self, canvas: Canvas, slot: Slot, row: float) -> None:
        words = f"× {self.scale_name} = {plain(round(self.scale, 4))}"
        if self.dora:
            words = f"{words}; ⊙ m[{slot.d_out}] / ‖·‖"
        if slot.forward > 0:
            canvas.text((slot.join[0] + 10, row + 10), words, "edge hot-text", room=150)
        else:
            canvas.text((slot.join[0] - 10, row + 10), words, "edge hot-text", "end", 124)
