"""A sheet to draw on: boxes that can be focused, wires with rounded corners, text that fits."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from explorer.figures.diagram.style import Mode, style_sheet
from explorer.figures.diagram.text import TEXT_STYLES, clean, escaped, fit, quoted, width

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]
Kind = Literal["frozen", "trained", "op", "ghost", "bare"]

_SAID = {
    "frozen": "frozen",
    "trained": "trained",
    "op": "no weights",
    "ghost": "same weights",
    "bare": "",
}
_FLAKE = "M0-5V5M-4.3-2.5 4.3 2.5M-4.3 2.5 4.3-2.5"
_FLAME = (
    "M0-6C1-3.4 4-2.2 4 1.4 4 4 2.2 5.6 0 5.6S-4 4-4 1.4C-4-.4-3-1.2-2.4-2.4"
    "-2-1-1.4-.6-.8-.6-1.2-2.6-.8-4.4 0-6Z"
)


@dataclass(frozen=True)
class Box:
    """A rectangle on the sheet, with the points that wires leave from."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> Point:
        """Middle of the left edge."""
        return self.x, self.y + self.height / 2

    @property
    def right(self) -> Point:
        """Middle of the right edge."""
        return self.x + self.width, self.y + self.height / 2

    @property
    def top(self) -> Point:
        """Middle of the upper edge."""
        return self.x + self.width / 2, self.y

    @property
    def bottom(self) -> Point:
        """Middle of the lower edge."""
        return self.x + self.width / 2, self.y + self.height

    @property
    def middle(self) -> Point:
        """The centre."""
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True)
class Caption:
    """What a box says: a name, a figure to its right, a second line, and the words for a reader."""

    name: str
    count: str = ""
    detail: str = ""
    spoken: str = ""
    code: bool = True


@dataclass
class Canvas:
    """Collects SVG elements in drawing order; `finish` makes the document."""

    elements: list[str] = field(default_factory=list)

    def text(
        self,
        at: Point,
        words: str,
        style: str = "note",
        anchor: Anchor = "start",
        room: float | None = None,
    ) -> None:
        """Write `words` with their baseline at `at`, shortened to `room` pixels if given.

        `style` is one of TEXT_STYLES, after a space optionally a class for its colour.
        """
        named = style.split(" ", 1)[0]
        words, size = fit(clean(words), named, room) if room else (clean(words), None)
        sized = f' style="font-size:{size:g}px"' if size and size != TEXT_STYLES[named][0] else ""
        where = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self.elements.append(
            f'<text x="{at[0]:g}" y="{at[1]:g}" class="{style.strip()}"{where}{sized}>'
            f"{escaped(words)}</text>"
        )

    def box(self, box: Box, caption: Caption, part: str, kind: Kind = "frozen") -> Box:
        """A part of the model: name and count above, shape below, a mark for frozen or trained."""
        with_detail = bool(caption.detail)
        first = box.y + (20 if with_detail else box.height / 2 + 4.5)
        inner = box.width - 20
        self._open(box, part, kind, caption)
        if kind in ("frozen", "trained") and box.width >= 100:
            self._icon((box.x + box.width - 14, box.y + box.height - 13), kind)
        count_room = 0.0
        if caption.count:
            self.text((box.x + box.width - 10, first), caption.count, "count", "end")
            count_room = width(caption.count, "count") + 8
        style = "name" if caption.code else "label"
        self.text((box.x + 10, first), caption.name, style, room=inner - count_room)
        if with_detail:
            self.text(
                (box.x + 10, box.y + 37),
                caption.detail,
                "shape",
                room=inner - 16 * (box.width >= 100),
            )
        self.elements.append("</g>")
        return box

    def operation(
        self, box: Box, words: str, part: str, spoken: str = "", kind: Kind = "op"
    ) -> Box:
        """Something small in a pill: as a rule an operation without weights."""
        self._open(box, part, kind, Caption(words, spoken=spoken), radius=box.height / 2)
        self.text(
            (box.x + box.width / 2, box.y + box.height / 2 + 4), words, "chip", "middle",
            box.width - 8,
        )  # fmt: skip
        self.elements.append("</g>")
        return box

    def open_group(
        self, box: Box, caption: Caption, part: str, kind: Kind, layer: int | None = None
    ) -> None:
        """Start a box whose inside the caller draws; `close_group` ends it."""
        self._open(box, part, kind, caption)
        if layer is not None:
            self.elements[-1] = self.elements[-1].replace(
                " data-part=", f' data-layer="{layer}" data-part=', 1
            )

    def close_group(self) -> None:
        """End what `open_group` started."""
        self.elements.append("</g>")

    def _open(self, box: Box, part: str, kind: Kind, caption: Caption, radius: float = 8) -> None:
        figures = ", ".join(filter(None, (caption.detail, caption.count, caption.spoken)))
        label = (
            f"{caption.name}: {figures}. {_SAID[kind].capitalize()}." if figures else caption.name
        )
        fill = ' fill="url(#~hatch)"' if kind == "trained" else ""
        self.elements.append(
            f'<g class="box {kind}" tabindex="0" role="button" aria-label={quoted(label)}'
            f" data-part={quoted(part)}><title>{escaped(label)}</title>"
            f'<rect class="frame" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}"'
            f' height="{box.height:g}" rx="{min(radius, box.height / 2):g}"{fill}/>'
        )

    def _icon(self, at: Point, kind: Kind) -> None:
        drawn = f'class="flake" d="{_FLAKE}"' if kind == "frozen" else f'class="flame" d="{_FLAME}"'
        self.elements.append(f'<path {drawn} transform="translate({at[0]:g} {at[1]:g})"/>')

    def sample(self, box: Box, kind: Kind) -> None:
        """A small box of this kind for a legend."""
        fill = ' fill="url(#~hatch)"' if kind == "trained" else ""
        self.elements.append(
            f'<g class="box {kind}" aria-hidden="true"><rect class="frame" x="{box.x:g}"'
            f' y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="4"{fill}/></g>'
        )

    def icon(self, at: Point, kind: Kind) -> None:
        """The snowflake of what is frozen or the flame of what is trained, for a legend."""
        self._icon(at, kind)

    def wire(self, points: Sequence[Point], tone: str = "", arrow: bool = True) -> None:
        """A line through right-angled corners, rounded, with an arrow at its end."""
        classes = f"wire {tone}".strip()
        self.elements.append(f'<path class="{classes}" d="{_rounded(points, arrow)}"/>')
        if arrow:
            self.elements.append(_arrow_head(points[-2], points[-1], tone))

    def node(self, at: Point, sign: str, tone: str = "", radius: float = 10) -> None:
        """A circle with an operator: + where two streams add, × where they multiply."""
        self.elements.append(
            f'<circle class="node {tone}" cx="{at[0]:g}" cy="{at[1]:g}" r="{radius:g}"/>'
        )
        self.text(
            (at[0], at[1] + 5.2), sign, "sign hot-text" if tone == "hot" else "sign", "middle"
        )

    def upright(self, at: Point, words: str, style: str = "edge") -> None:
        """Words that run upwards along a vertical line."""
        self.elements.append(
            f'<text class="{style}" text-anchor="middle"'
            f' transform="translate({at[0]:g} {at[1]:g}) rotate(-90)">{escaped(words)}</text>'
        )

    def cells(
        self, at: Iterable[Point], size: float, tone: str, height: float | None = None
    ) -> None:
        """Many small squares of one kind as one path."""
        tall = size if height is None else height
        path = "".join(f"M{x:.4g} {y:.5g}h{size:.3g}v{tall:.3g}h{-size:.3g}z" for x, y in at)
        if path:
            self.elements.append(f'<path class="{tone}" d="{path}"/>')

    def plate(self, box: Box, tone: str, radius: float = 8) -> None:
        """A rectangle behind other things."""
        self.elements.append(
            f'<rect class="{tone}" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}"'
            f' height="{box.height:g}" rx="{radius:g}"/>'
        )

    def pick(self, box: Box, layer: int) -> None:
        """An unseen area over a layer of the strip, for the mouse to pick the layer with."""
        self.elements.append(
            f'<rect class="pick" data-part="layers" data-layer="{layer}" x="{box.x:g}"'
            f' y="{box.y:g}" width="{box.width:g}" height="{box.height:g}">'
            f"<title>layer {layer + 1}</title></rect>"
        )

    def shaded(self, box: Box, tone: str, strength: float) -> None:
        """A cell whose strength of colour says how large its number is."""
        self.elements.append(
            f'<rect class="{tone}" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}"'
            f' height="{box.height:g}" rx="1.5" fill-opacity="{strength:.2f}"/>'
        )

    def rule(self, start: Point, end: Point) -> None:
        """A thin straight line."""
        self.elements.append(
            f'<path class="rule" d="M{start[0]:g} {start[1]:g}L{end[0]:g} {end[1]:g}"/>'
        )

    def finish(
        self, size: tuple[float, float], title: str, description: str, mode: Mode = "auto",
        standalone: bool = False,
    ) -> str:  # fmt: skip
        """The SVG document; ids are made from its content, so that many fit on one page."""
        title, body = clean(title), "\n".join(self.elements)
        mark = "xd" + hashlib.sha256(f"{title}{body}".encode()).hexdigest()[:10]
        ground = '<rect width="100%" height="100%" style="fill:var(--xd-page)"/>' * standalone
        held = f"width:100%;min-width:{size[0]:g}px;max-width:{size[0] * 1.25:g}px"
        sizes = f'width="{size[0]:g}" height="{size[1]:g}"' if standalone else f'style="{held}"'
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" class="xd"'
            f' viewBox="0 0 {size[0]:g} {size[1]:g}" {sizes} role="group"'
            f' aria-labelledby="{mark}t" aria-describedby="{mark}d">'
            f'<title id="{mark}t">{escaped(title)}</title>'
            f'<desc id="{mark}d">{escaped(clean(description, 4000))}</desc>'
            f"<style>{style_sheet(mode)}</style>"
            f'<defs><pattern id="{mark}hatch" width="7" height="7" patternUnits="userSpaceOnUse"'
            ' patternTransform="rotate(45)"><rect class="hot-face" width="7" height="7"/>'
            '<path class="hatch" d="M0 0V7"/></pattern></defs>'
            f"{ground}{body.replace('#~hatch', f'#{mark}hatch')}</svg>"
        )


def _rounded(points: Sequence[Point], arrow: bool, radius: float = 7) -> str:
    """Path data through `points`; with an arrow the line ends a little before its tip."""
    corners = list(points)
    if arrow:
        corners[-1] = _towards(points[-1], points[-2], 5)
    path = f"M{corners[0][0]:g} {corners[0][1]:g}"
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        bend = min(radius, _distance(before, corner) / 2, _distance(corner, after) / 2)
        start, end = _towards(corner, before, bend), _towards(corner, after, bend)
        path += f"L{start[0]:g} {start[1]:g}Q{corner[0]:g} {corner[1]:g} {end[0]:g} {end[1]:g}"
    return f"{path}L{corners[-1][0]:g} {corners[-1][1]:g}"


def _arrow_head(before: Point, tip: Point, tone: str) -> str:
    back = _towards(tip, before, 8)
    across_x, across_y = (tip[1] - back[1]) / 2, (back[0] - tip[0]) / 2
    return (
        f'<path class="{f"head {tone}".strip()}" d="M{tip[0]:g} {tip[1]:g}'
        f"L{back[0] + across_x:g} {back[1] + across_y:g}"
        f'L{back[0] - across_x:g} {back[1] - across_y:g}z"/>'
    )


def _distance(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _towards(start: Point, end: Point, by: float) -> Point:
    """The point `by` pixels from `start` on the straight line to `end`."""
    span = max(((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5, 1e-9)
    return (
        round(start[0] + (end[0] - start[0]) * by / span, 2),
        round(start[1] + (end[1] - start[1]) * by / span, 2),
    )
