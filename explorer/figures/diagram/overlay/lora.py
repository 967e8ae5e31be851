"""LoRA on a block: A and B beside every targeted W, with their shapes (arXiv:2106.09685)."""

from dataclasses import dataclass

from explorer.figures.diagram.canvas import Box, Canvas, Caption
from explorer.figures.diagram.overlay.part import MethodPart, sites_of
from explorer.figures.diagram.overlay.plain import Overlay
from explorer.figures.diagram.plan import ROW, Naming, Slot
from explorer.figures.diagram.text import brief, plain

SMALL = 44.0  # height of A and B
GAP = 8.0


@dataclass(frozen=True)
class LoraOverlay(Overlay):
    """y = W₀x + s·B(Ax), with A[r, in] and B[out, r] trained and W₀ frozen."""

    r: int = 8
    scale: float = 1.0
    scale_name: str = "α/r"
    targets: frozenset[str] = frozenset()
    dora: bool = False
    frozen_b: bool = False  # MiCA

    def lead(self, subject: Naming) -> str:
        """Rank and scale."""
        return f"y = W₀x + {self.scale_name} · B A x with r = {self.r}"

    def parts(self, subject: Naming) -> dict[str, MethodPart]:
        """A and B of every target, m with DoRA."""
        found = {}
        for site in sites_of(subject, self.targets):
            down = ("lora_A", (self.r, site.d_in))
            up = ("lora_B", (site.d_out, self.r))
            found[f"method.{site.name}.A"] = MethodPart(
                f"A beside {site.name}", (down,), f"A x, A[{self.r}, {site.d_in}]",
                "Maps the linear's input down to the rank. It starts with random values.",
            )  # fmt: skip
            found[f"method.{site.name}.B"] = MethodPart(
                f"B beside {site.name}", () if self.frozen_b else (up,),
                f"{self.scale_name} · B (A x), B[{site.d_out}, {self.r}]",
                "Maps back up to the linear's output. It starts at zero, so that training begins "
                "at the base model; afterwards B A can be folded into W.",
            )  # fmt: skip
            if self.dora:
                found[f"method.{site.name}.m"] = MethodPart(
                    f"Magnitude of {site.name}",
                    (("lora_magnitude_vector", (site.d_out,)),),
                    "W' = m (W₀ + sBA) / ‖W₀ + sBA‖, row by row",
                    "DoRA trains the length of each row of the weight apart from its direction.",
                )
        return found

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
        a, b = self._places(slot)
        row = a.middle[1]
        self._matrix(canvas, a, "A", (self.r, slot.d_in), slot.name)
        self._matrix(canvas, b, "B", (slot.d_out, self.r), slot.name)
        if slot.forward > 0:
            canvas.wire([(slot.entry[0], row), a.left], "hot")
            canvas.wire([a.right, b.left], "hot")
            leaves = b.right
        else:
            canvas.wire([slot.entry, (slot.entry[0], row), a.right], "hot")
            canvas.wire([a.left, b.right], "hot")
            leaves = b.left
        canvas.wire([leaves, (slot.join[0], row), (slot.join[0], slot.join[1] + 9)], "hot")
        canvas.node(slot.join, "+", "hot", 8)
        self._scaled(canvas, slot, row)

    def _places(self, slot: Slot) -> tuple[Box, Box]:
        box, top = slot.box, slot.box.y + slot.box.height + GAP
        half = (box.width - 12) / 2
        left = Box(box.x, top, half, SMALL)
        right = Box(box.x + box.width - half, top, half, SMALL)
        return (left, right) if slot.forward > 0 else (right, left)

    def _matrix(
        self, canvas: Canvas, box: Box, letter: str, size: tuple[int, int], site: str
    ) -> None:
        shape = f"{size[0]} × {size[1]}"
        caption = Caption(letter, brief(size[0] * size[1]), shape, f"LoRA {letter} beside {site}")
        kind = "frozen" if self.frozen_b and letter == "B" else "trained"
        canvas.box(box, caption, f"method.{site}.{letter}", kind)

    def _scaled(self, canvas: Canvas, slot: Slot, row: float) -> None:
        words = f"× {self.scale_name} = {plain(round(self.scale, 4))}"
        outwards = slot.forward > 0
        x = slot.join[0] + 10 * slot.forward
        canvas.text((x, row + 10), words, "edge hot-text", "start" if outwards else "end", 124)
        if self.dora:
            pill = Box(x if outwards else x - 76, row + 17, 76, 19)
            spoken = f"lengths of the rows of {slot.name}"
            part = f"method.{slot.name}.m"
            canvas.operation(pill, f"m [{slot.d_out}]", part, spoken, "trained")
