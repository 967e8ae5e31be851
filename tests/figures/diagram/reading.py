"""An SVG read back as boxes and texts with their places, measured in a real font's widths."""

import re
from dataclasses import dataclass
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"
# Advance widths of Noto Sans, in hundredths of the font size, from the space to the tilde.
_REGULAR = (
    "26 27 41 65 57 83 73 22 30 30 55 57 27 32 27 37 57 57 57 57 57 57 57 57 57 57 27 27 57 57 57 "
    "43 90 64 65 63 73 56 52 73 74 34 27 62 52 91 76 78 60 78 62 55 56 73 60 93 59 57 57 33 37 33 "
    "57 44 28 56 62 48 62 56 34 62 62 26 26 53 26 94 62 60 62 62 41 48 36 62 51 79 53 51 47 38 55 "
    "38 57"
)
WIDTHS = {chr(32 + i): int(width) / 100 for i, width in enumerate(_REGULAR.split())}
OTHER = 0.6
BOLD = 1.06
MONO = 0.6


@dataclass(frozen=True)
class Place:
    """A rectangle on the sheet."""

    left: float
    top: float
    right: float
    bottom: float

    def inside(self, other: "Place", slack: float = 0.5) -> bool:
        return (
            self.left >= other.left - slack
            and self.right <= other.right + slack
            and self.top >= other.top - slack
            and self.bottom <= other.bottom + slack
        )

    def overlaps(self, other: "Place", slack: float = 1.0) -> bool:
        return (
            min(self.right, other.right) - max(self.left, other.left) > slack
            and min(self.bottom, other.bottom) - max(self.top, other.top) > slack
        )


@dataclass(frozen=True)
class Text:
    """Words and the place that they take."""

    words: str
    place: Place
    tone: str


@dataclass(frozen=True)
class BoxRead:
    """A box: its attributes, its frame and the texts in it."""

    attributes: dict[str, str]
    title: str
    frame: Place
    texts: tuple[Text, ...]

    @property
    def part(self) -> str:
        return self.attributes["data-part"]


@dataclass(frozen=True)
class Drawing:
    """A whole SVG."""

    sheet: Place
    boxes: tuple[BoxRead, ...]
    loose: tuple[Text, ...]
    root: ElementTree.Element

    @property
    def texts(self) -> tuple[Text, ...]:
        return (*self.loose, *(text for box in self.boxes for text in box.texts))


def read(svg: str) -> Drawing:
    """Parse a drawing; not well-formed XML raises ParseError."""
    root = ElementTree.fromstring(svg)
    left, top, width, height = map(float, root.get("viewBox", "").split())
    fonts = _fonts(root)
    boxes, held = [], set()
    for group in root.iter(f"{SVG}g"):
        if "data-part" not in group.attrib:
            continue
        inside = list(group.iter(f"{SVG}text"))
        held.update(map(id, inside))
        frame = next(e for e in group.iter(f"{SVG}rect") if e.get("class") == "frame")
        title = group.find(f"{SVG}title")
        boxes.append(
            BoxRead(
                dict(group.attrib),
                (title.text or "") if title is not None else "",
                _rectangle(frame),
                tuple(_text(element, fonts) for element in inside),
            )
        )
    loose = [e for e in root.iter(f"{SVG}text") if id(e) not in held]
    return Drawing(
        Place(left, top, left + width, top + height),
        tuple(boxes),
        tuple(_text(element, fonts) for element in loose),
        root,
    )


def cells(drawing: Drawing, tone: str) -> int:
    """How many small squares of this tone there are."""
    paths = [e for e in drawing.root.iter(f"{SVG}path") if e.get("class") == tone]
    return sum((e.get("d") or "").count("M") for e in paths)


def _rectangle(element: ElementTree.Element) -> Place:
    x, y, width, height = (float(element.get(name, "0")) for name in ("x", "y", "width", "height"))
    return Place(x, y, x + width, y + height)


def _fonts(root: ElementTree.Element) -> dict[str, tuple[float, bool, bool]]:
    """Size, weight and face of each class of text, from the style sheet in the file."""
    css = "".join(element.text or "" for element in root.iter(f"{SVG}style"))
    rule = re.compile(r"\.xd \.(\w+)\{font-size:([\d.]+)px;font-weight:(\d+)([^}]*)\}")
    return {
        name: (float(size), int(weight) >= 600, "font-family" in rest)
        for name, size, weight, rest in rule.findall(css)
    }


def _text(element: ElementTree.Element, fonts: dict[str, tuple[float, bool, bool]]) -> Text:
    words = element.text or ""
    named = (element.get("class") or "").split()
    size, bold, mono = fonts[named[0]]
    own = re.search(r"font-size:([\d.]+)px", element.get("style") or "")
    size = float(own.group(1)) if own else size
    em = sum(MONO if mono else WIDTHS.get(c, OTHER) for c in words)
    em += 0.09 * len(words) if named[0] == "lane" else 0  # its letters are spaced
    width = em * size * (BOLD if bold and not mono else 1)
    turned = re.match(
        r"translate\(([\d.-]+) ([\d.-]+)\) rotate\(-90\)", element.get("transform", "")
    )
    if turned:
        x, y = map(float, turned.groups())
        return Text(words, Place(x - size, y - width / 2, x + 2, y + width / 2), " ".join(named))
    x, y = float(element.get("x", "0")), float(element.get("y", "0"))
    shift = {"middle": width / 2, "end": width}.get(element.get("text-anchor", "start"), 0)
    # from the x-height's top to the baseline: descenders may come near a line
    place = Place(x - shift, y - 0.72 * size, x - shift + width, y + 0.05 * size)
    return Text(words, place, " ".join(named))
