"""The other methods of peft by family: where they act and what trains there, as a schematic."""

from dataclasses import dataclass, field

from explorer.figures.diagram import plan as at
from explorer.figures.diagram.canvas import Box, Canvas, Caption
from explorer.figures.diagram.overlay.lora import GAP, SMALL
from explorer.figures.diagram.overlay.part import MethodPart, sites_of
from explorer.figures.diagram.overlay.plain import Overlay
from explorer.figures.diagram.plan import ROW, Naming, Slot
from explorer.figures.diagram.text import brief, plain, shape

# How the trained numbers reach the output: added to it, multiplied with input or output, or
# written over entries of the weight.
EFFECTS: dict[str, tuple[str, str]] = {
    "low-rank": ("add", "ΔW of low rank"),
    "Kronecker and Hadamard": ("add", "ΔW by products"),
    "shared vectors": ("add", "small vectors"),
    "orthogonal": ("before", "a rotation"),
    "frequency": ("add", "a spectrum of ΔW"),
    "sparse": ("within", "few entries of W"),
    "scaling and bias": ("after", "a vector"),
    "routing": ("add", "mixed adapters"),
}
FORMS: dict[str, tuple[str, str]] = {
    "adalora": ("add", "P Λ Q, rank pruned"),
    "beft": ("bias", "b"),
    "boft": ("before", "butterflies R₁ R₂"),
    "c3a": ("add", "circulant blocks"),
    "fourierft": ("add", "n of 2-D spectrum"),
    "gralora": ("add", "k × k blocks of BA"),
    "hira": ("add", "W ⊙ BA"),
    "hra": ("before", "r reflections"),
    "ia3": ("after", "l"),
    "loha": ("add", "(B₁A₁) ⊙ (B₂A₂)"),
    "lokr": ("add", "C ⊗ BA"),
    "oft": ("before", "blocks of R"),
    "randlora": ("add", "Λ B Γ A: Λ, Γ"),
    "road": ("after", "2-D rotations"),
    "shira": ("within", "entries at random"),
    "vera": ("add", "b, d; A and B fixed"),
    "waveft": ("add", "n wavelet terms"),
}


@dataclass(frozen=True)
class SiteOverlay(Overlay):
    """A method that acts on linears: one box under each of its sites."""

    effect: str = "add"
    form: str = "ΔW"
    numbers: dict[str, int] = field(default_factory=dict)  # trained, by linear
    on_input: frozenset[str] = frozenset()  # linears whose input is acted on, whatever `effect`

    def lead(self, subject: Naming) -> str:
        """Where the numbers act."""
        how = {
            "add": "its output is added to the linear's",
            "before": "it transforms what the linear sees",
            "after": "it multiplies what the linear gives",
            "bias": "it is added to the linear's output",
            "within": "it changes entries of the weight itself",
        }[self.effect]
        return f"{self.form} on {', '.join(self.numbers)}: {how} (schematic)"

    def parts(self, subject: Naming) -> dict[str, MethodPart]:
        """One a linear; the numbers are those of the method's formula, in no shape of their own."""
        return {
            f"method.{site.name}": MethodPart(
                f"{self.name} on {site.name}", (("trained", (self.numbers[site.name],)),),
                self.form, self.lead(subject),
            )
            for site in sites_of(subject, frozenset(self.numbers))
        }  # fmt: skip

    def below(self, site: str) -> float:
        """Room for the box."""
        return SMALL + 2 if site in self.numbers else 0.0

    def tap(self, site: str) -> float:
        """An added branch takes in the linear's input."""
        return (ROW + SMALL) / 2 + GAP if site in self.numbers and self.effect == "add" else 0.0

    def draw_site(self, canvas: Canvas, slot: Slot) -> None:
        """The box and the way in which it acts."""
        if slot.name not in self.numbers:
            return
        row = slot.box.y + slot.box.height + GAP + SMALL / 2
        box = Box(slot.box.x, row - SMALL / 2, slot.box.width, SMALL)
        caption = Caption(
            self.form, brief(self.numbers[slot.name]), "trained", f"on {slot.name}", code=False
        )
        canvas.box(box, caption, f"method.{slot.name}", "trained")
        effect = "before" if slot.name in self.on_input else self.effect
        near, far = (box.left, box.right) if slot.forward > 0 else (box.right, box.left)
        if effect == "add":
            start = (
                [(slot.entry[0], row)] if slot.forward > 0 else [slot.entry, (slot.entry[0], row)]
            )
            canvas.wire([*start, near], "hot")
        if effect in ("add", "bias", "after"):
            canvas.wire([far, (slot.join[0], row), (slot.join[0], slot.join[1] + 9)], "hot")
            canvas.node(slot.join, "×" if effect == "after" else "+", "hot", 8)
        elif effect == "before":
            x = slot.box.x - 14 if slot.forward > 0 else slot.entry[0]
            canvas.wire([near, (x, row), (x, slot.box.middle[1] + 8)], "hot")
            canvas.node((x, slot.box.middle[1]), "×", "hot", 7)
        else:
            canvas.wire([box.top, (box.top[0], slot.box.y + slot.box.height)], "hot")


@dataclass(frozen=True)
class TokensOverlay(Overlay):
    """Learned tokens in front of the text, or learned rows of the embedding table."""

    number: int = 20
    words: str = "virtual tokens in front of the text"

    def parts(self, subject: Naming) -> dict[str, MethodPart]:
        """The vectors, which no layer holds."""
        size = (self.number, subject.arch.hidden_size)
        about = f"{self.number} {self.words}."
        return {"method.prompt": MethodPart("Vectors", (("vectors", size),), shape(*size), about)}

    def layers(self) -> frozenset[int]:
        """No layer holds anything."""
        return frozenset()

    def lead(self, subject: Naming) -> str:
        """Where they enter."""
        return f"{plain(self.number)} {self.words}; every layer itself stays as it is (schematic)"

    def footer(self, subject: Naming) -> float:
        """Room for the row of tokens."""
        return 110.0

    def draw_footer(self, canvas: Canvas, y: float, subject: Naming) -> None:
        """Trained vectors, then the tokens of the text, into the first layer."""
        canvas.rule((at.NORM, y - 24), (at.WIDTH - 32, y - 24))
        at.lane_title(canvas, y, "before layer 1", "")
        hidden = subject.arch.hidden_size
        box = Box(at.NORM, y + 18, at.SITE_WIDTH, at.ROW)
        size = shape(self.number, hidden)
        caption = Caption("vectors", brief(self.number * hidden), size, self.words, code=False)
        canvas.box(box, caption, "method.prompt", "trained")
        shown = min(self.number, 48)
        row, start = y + 18 + at.ROW / 2, box.x + box.width + 24
        pitch = min(11.0, 420 / shown)
        places = [(start + i * pitch, row - 8) for i in range(shown)]
        canvas.cells(places, max(pitch - 2.5, 1), "fill-hot", 16)
        text = start + shown * pitch + 14
        canvas.cells([(text + i * 11, row - 8) for i in range(18)], 8.5, "fill-edge", 16)
        canvas.text((text, row + 26), "the text's T tokens", "edge")
        canvas.wire([(text + 206, row), (text + 250, row)])
        canvas.text((text + 258, row + 4), "residual stream", "note")


@dataclass(frozen=True)
class PrefixOverlay(Overlay):
    """Learned keys and values in front of those of the text, in every layer."""

    number: int = 20

    def lead(self, subject: Naming) -> str:
        """Where they enter."""
        return (
            f"{self.number} learned keys and values a layer, in the same softmax as the text's: "
            "they stand in the KV cache before the first token (schematic)"
        )

    def parts(self, subject: Naming) -> dict[str, MethodPart]:
        """Keys and values."""
        size = (self.number, subject.arch.kv_dim)
        return {
            f"method.prefix.{name}": MethodPart(
                f"Prefix {name}", ((name, size),), shape(*size),
                f"{self.number} learned {name} that every token of the text sees.",
            )
            for name in ("keys", "values")
        }  # fmt: skip

    def footer(self, subject: Naming) -> float:
        """Room for the two rows."""
        return 150.0

    def draw_footer(self, canvas: Canvas, y: float, subject: Naming) -> None:
        """Keys and values of this layer, learned ones first."""
        canvas.rule((at.NORM, y - 24), (at.WIDTH - 32, y - 24))
        at.lane_title(canvas, y, "the cache of this layer", "")
        width = subject.arch.kv_dim
        for number, (name, tone) in enumerate((("keys", "key"), ("values", "value"))):
            row = y + 40 + 62 * number
            box = Box(at.NORM, row - at.ROW / 2, at.SITE_WIDTH, at.ROW)
            size = shape(self.number, width)
            caption = Caption(f"prefix {name}", brief(self.number * width), size, code=False)
            canvas.box(box, caption, f"method.prefix.{name}", "trained")
            shown = min(self.number, 48)
            pitch, start = min(11.0, 420 / shown), box.x + box.width + 24
            places = [(start + i * pitch, row - 8) for i in range(shown)]
            canvas.cells(places, max(pitch - 2.5, 1), "fill-hot", 16)
            text = start + shown * pitch + 14
            canvas.cells([(text + i * 11, row - 8) for i in range(18)], 8.5, f"fill-{tone}", 16)
            canvas.text((text + 208, row + 4), f"{name} of the text's T tokens", "edge")
