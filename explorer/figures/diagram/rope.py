"""The rotation of a model as wavelengths: how far each pair of channels sees, and what scaling did.

Pair i of a head of width h turns once in 2π·θ^(2i/h) tokens. Llama 3.1's scaling leaves short waves
alone, stretches those longer than the original context by a factor, and blends in between.
"""

from dataclasses import dataclass
from math import isfinite, log10, pi

from explorer.catalogue.architecture import Architecture
from explorer.figures.diagram import plan as at
from explorer.figures.diagram.canvas import Box, Canvas, Caption
from explorer.figures.diagram.overlay.plain import Overlay
from explorer.figures.diagram.plan import Naming
from explorer.figures.diagram.text import plain

HEIGHT = 262.0
TALL = 150.0  # of the plot
MOST_PAIRS = 256


@dataclass(frozen=True)
class Wave:
    """One pair of channels: its wavelength in tokens before and after scaling."""

    before: float
    after: float


def waves(arch: Architecture) -> list[Wave]:
    """Every pair of channels, shortest wave first. A scaling that is not known leaves all alone."""
    plain_waves = [
        2 * pi * arch.rope_theta ** (2 * i / arch.head_dim) for i in range(arch.head_dim // 2)
    ]
    return [Wave(wave, _scaled(arch, wave)) for wave in plain_waves]


def _scaled(arch: Architecture, wave: float) -> float:
    scaling = arch.rope_scaling or {}
    kind = scaling.get("rope_type") or scaling.get("type")
    factor = _number(scaling.get("factor"))
    if kind == "linear" and factor:
        return wave * factor
    original = _number(scaling.get("original_max_position_embeddings"))
    low, high = (_number(scaling.get(f"{end}_freq_factor")) for end in ("low", "high"))
    if kind != "llama3" or not (factor and original and low and high):
        return wave
    if wave < original / high:
        return wave
    if wave > original / low:
        return wave * factor
    kept = (original / wave - low) / (high - low)
    return 1 / ((1 - kept) / (wave * factor) + kept / wave)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if isfinite(value) and value > 0 else None


@dataclass(frozen=True)
class RopeFooter(Overlay):
    """A lane under the attention with the wavelengths, where the layer rotates at all."""

    def footer(self, subject: Naming) -> float:
        """Room for the plot."""
        return HEIGHT if subject.rotates and subject.arch.head_dim > 1 else 0.0

    def draw_footer(self, canvas: Canvas, y: float, subject: Naming) -> None:
        """Wavelength by pair on a log scale, the context lengths as lines."""
        arch = subject.arch
        found = waves(arch)[:MOST_PAIRS]
        canvas.rule((at.NORM, y - 24), (at.WIDTH - 32, y - 24))
        at.lane_title(canvas, y, "rotation")
        said = f"{arch.head_dim // 2} pairs of channels turn with θ = {plain(arch.rope_theta)}"
        stretched = sum(wave.after > wave.before for wave in found)
        if stretched:
            said += f"; scaling stretches the {stretched} longest waves"
        canvas.text((at.SITE, y), said, "note", room=600)
        box = Box(at.NORM, y + 16, at.WIDTH - at.NORM - 32, TALL + 44)
        spoken = f"{said}; from {found[0].before:.3g} to {found[-1].after:.3g} tokens a turn"
        canvas.open_group(box, Caption("RoPE", spoken=spoken), "attention.rope", "op")
        _plot(canvas, box, arch, found)
        canvas.close_group()


def _plot(canvas: Canvas, box: Box, arch: Architecture, found: list[Wave]) -> None:
    left, right, base = box.x + 120, box.x + box.width - 24, box.y + TALL + 14
    longest = max(max(wave.after for wave in found), arch.max_position_embeddings) * 1.6
    scale = TALL / max(log10(longest), 0.5)

    def height(tokens: float) -> float:
        return base - scale * log10(max(tokens, 1.0))

    pitch = (right - left) / len(found)
    size = max(min(pitch - 2, 7.0), 1.0)
    places = [left + pitch * (i + 0.5) - size / 2 for i in range(len(found))]
    pairs = list(zip(places, found, strict=True))
    moved = [(x, wave) for x, wave in pairs if wave.after > wave.before]
    same = [(x, wave) for x, wave in pairs if wave.after <= wave.before]
    canvas.cells([(x, height(w.before) - size / 2) for x, w in moved], size, "fill-edge")
    canvas.cells([(x, height(w.before) - size / 2) for x, w in same], size, "fill-query")
    canvas.cells([(x, height(w.after) - size / 2) for x, w in moved], size, "fill-image")
    marks = {plain(arch.max_position_embeddings): arch.max_position_embeddings}
    original = _number((arch.rope_scaling or {}).get("original_max_position_embeddings"))
    if original and original < arch.max_position_embeddings / 1.5:
        marks[f"before: {plain(original)}"] = original
    for words, tokens in marks.items():
        canvas.rule((left - 8, height(tokens)), (right, height(tokens)))
        canvas.text((left - 14, height(tokens) + 3.5), words, "edge", "end", 100)
    canvas.upright((box.x + 18, box.y + box.height / 2), "tokens a turn (log)")
    canvas.text((left, base + 22), "first pair: short waves, near words", "edge")
    canvas.text((right, base + 22), "last pair: long waves, the whole context", "edge", "end")
    if moved:
        canvas.cells([(left + 250, base + 14)], 8, "fill-query")
        canvas.text((left + 264, base + 22), "as trained", "edge")
        canvas.cells([(left + 350, base + 14)], 8, "fill-edge")
        canvas.text((left + 364, base + 22), "before scaling", "edge")
        canvas.cells([(left + 470, base + 14)], 8, "fill-image")
        canvas.text((left + 484, base + 22), "after", "edge")
