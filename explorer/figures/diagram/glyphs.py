"""Small pictures drawn to number: heads in their groups, an attention mask, a stack of layers."""

from dataclasses import dataclass
from math import ceil

from explorer.catalogue.architecture import Architecture
from explorer.figures.diagram.canvas import Box, Canvas, Point

MOST_GROUPS = 128
MOST_QUERIES = 64
MOST_LAYERS = 160
MOST_EXPERTS = 512
NARROW = 10.0  # groups closer together than this are drawn as bars
TALLEST = 46.0  # room for the query heads of a group
GAP = 1.4


def shown_groups(arch: Architecture) -> int:
    """How many groups of heads a drawing shows."""
    return min(arch.num_key_value_heads, MOST_GROUPS)


def heads(
    canvas: Canvas,
    arch: Architecture,
    box: Box,
    rows: tuple[float, float, float],
    widened: bool = False,
) -> None:
    """Query heads over the key and value head that their group shares.

    `rows` are the heights of queries, keys and values; columns are groups. `widened` keys have a
    head for every query head.
    """
    groups = shown_groups(arch)
    per_group = min(arch.num_key_value_groups, MOST_QUERIES)
    pitch = min(box.width / groups, 46.0)
    start = box.x + (box.width - pitch * groups) / 2
    columns, size = _grid(per_group, pitch)
    tall = ceil(per_group / columns)
    block = columns * (size + GAP) - GAP
    narrow = pitch < NARROW
    shared = pitch - 0.9 if narrow else min(pitch - 1.6, max(block, 9.0), 11.0)
    tall_cell = 12.0 if narrow else size
    tall_shared = 12.0 if narrow else shared
    queries: list[Point] = []
    keys: list[Point] = []
    values: list[Point] = []
    for group in range(groups):
        left = start + group * pitch
        if pitch >= 12:
            inset = Box(left + 1.5, box.y, pitch - 3, box.height)
            canvas.plate(inset, "pill", min(8, pitch / 3))
        x = left + (pitch - block) / 2
        y = rows[0] - (tall * (tall_cell + GAP) - GAP) / 2
        for query in range(per_group):
            column, row = query % columns, query // columns
            queries.append((x + column * (size + GAP), y + row * (tall_cell + GAP)))
        if not widened:
            keys.append((left + (pitch - shared) / 2, rows[1] - tall_shared / 2))
        values.append((left + (pitch - shared) / 2, rows[2] - tall_shared / 2))
    canvas.cells(queries, size, "fill-query", tall_cell)
    if widened:
        lower = [(x, y + rows[1] - rows[0]) for x, y in queries]
        canvas.cells(lower, size, "fill-key", tall_cell)
    canvas.cells(keys, shared, "fill-key", tall_shared)
    canvas.cells(values, shared, "fill-value", tall_shared)


def _grid(number: int, pitch: float) -> tuple[int, float]:
    """Columns and cell size that show `number` cells largest in a group `pitch` wide."""
    if pitch < NARROW:  # narrow bars, one query head a group as a rule
        return number, max((pitch - 0.9) / number - GAP * (number > 1), 0.3)
    sizes = {
        columns: min(10.0, (pitch - 2.5) / columns - GAP, TALLEST / ceil(number / columns) - GAP)
        for columns in range(1, number + 1)
    }
    largest = max(sizes.values())
    # A full rectangle is easier to count than larger cells with an orphan.
    even = [c for c, size in sizes.items() if number % c == 0 and size >= 0.65 * largest]
    columns = max(even or sizes, key=lambda c: sizes[c])
    return columns, max(sizes[columns], 0.4)


def mask(canvas: Canvas, at: Point, side: float, chunked: bool, full: bool = False) -> None:
    """A picture of which keys (across) a query (down) sees."""
    number = 9
    step = side / number
    seen, unseen = [], []
    for row in range(number):
        for column in range(number):
            sees = full or (column <= row and (not chunked or column // 3 == row // 3))
            point = (at[0] + column * step, at[1] + row * step)
            (seen if sees else unseen).append(point)
    canvas.cells(unseen, step - 1.5, "pill")
    canvas.cells(seen, step - 1.5, "fill-line")


@dataclass(frozen=True)
class Strip:
    """Where the layers of a stack stand: cells of one size, wrapped into rows of one length."""

    places: tuple[Point, ...]
    size: float

    @property
    def bottom(self) -> float:
        """Lower edge, with the mark for layers that a method acts on."""
        return max(y for _, y in self.places) + 2 * self.size + 7


def layer_strip(arch: Architecture, at: Point, room: float) -> Strip:
    """A column for every layer, as large as `room` allows; very deep stacks are cut."""
    shown = min(arch.num_hidden_layers, MOST_LAYERS)
    across = ceil(shown / ceil(shown * 11 / room))
    size = min(room / across - 3, 13.0)
    pitch = size + 3
    return Strip(
        tuple(
            (at[0] + (layer % across) * pitch, at[1] + (layer // across) * (2 * size + 13))
            for layer in range(shown)
        ),
        size,
    )


def draw_strip(
    canvas: Canvas, arch: Architecture, strip: Strip, current: int | None, acted: frozenset[int]
) -> None:
    """Attention over feed-forward for each layer, the one drawn framed, those acted on marked."""
    size = strip.size
    tones: dict[str, list[Point]] = {}
    for layer, (x, y) in enumerate(strip.places):
        tones.setdefault(attention_tone(arch, layer), []).append((x, y))
        feed_forward = "fill-expert" if layer in arch.moe_layers else "fill-edge"
        tones.setdefault(feed_forward, []).append((x, y + size + 1.5))
    for tone, points in tones.items():
        inset = 0.7 if tone.startswith("open") else 0.0
        canvas.cells([(x + inset, y + inset) for x, y in points], size - 2 * inset, tone)
    marked = [p for layer, p in enumerate(strip.places) if layer in acted]
    canvas.cells([(x, y + 2 * size + 4) for x, y in marked], size, "fill-hot", 3)
    if current is not None and current < len(strip.places):
        x, y = strip.places[current]
        canvas.plate(Box(x - 2.5, y - 2.5, size + 5, 2 * size + 6.5), "open-ink", 3)


def attention_tone(arch: Architecture, layer: int) -> str:
    """How a layer's attention looks in the strip."""
    if layer in arch.cross_attention_layers:
        return "fill-image"
    return "open-query" if layer in arch.no_rope_layers else "fill-query"


def strip_legend(arch: Architecture) -> list[tuple[str, str]]:
    """Tone and words for each kind of cell that this model's strip has."""
    chunks = f", chunks of {arch.attention_chunk_size}" if arch.attention_chunk_size else ""
    entries = [("fill-query", f"self-attention{chunks}")]
    if arch.no_rope_layers:
        entries.append(("open-query", "no rotation (NoPE), whole context"))
    if arch.cross_attention_layers:
        entries.append(("fill-image", "cross-attention to the image"))
    if len(arch.moe_layers) < arch.num_hidden_layers:
        entries.append(("fill-edge", "dense feed-forward"))
    if arch.is_moe:
        entries.append(("fill-expert", f"{arch.num_local_experts} experts"))
    if arch.num_hidden_layers > MOST_LAYERS:
        entries.append(("pill", f"first {MOST_LAYERS} of {arch.num_hidden_layers} layers"))
    return entries


def experts(canvas: Canvas, box: Box, number: int, chosen: int) -> None:
    """Every expert as a cell, those that a token visits filled."""
    shown = min(number, MOST_EXPERTS)
    ideal = (shown * box.width / box.height) ** 0.5
    whole = [c for c in range(1, shown + 1) if shown % c == 0 and ideal / 1.6 <= c <= ideal * 1.6]
    columns = min(whole, key=lambda c: abs(c - ideal), default=max(ceil(ideal), 1))
    rows = ceil(shown / columns)
    across, down = min(box.width / columns, 34.0), min(box.height / rows, 34.0)
    left, top = box.x, box.y + (box.height - down * rows) / 2
    places = [(left + (i % columns) * across, top + (i // columns) * down) for i in range(shown)]
    picked = {(7 * i + shown // 3) % shown for i in range(min(chosen, shown))}
    gap = min(3.0, across / 4, down / 4)
    idle = [place for i, place in enumerate(places) if i not in picked]
    canvas.cells(idle, across - gap, "fill-edge", down - gap)
    canvas.cells([places[i] for i in sorted(picked)], across - gap, "fill-expert", down - gap)
