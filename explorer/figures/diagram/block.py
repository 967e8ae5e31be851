"""One layer of a model: the residual stream, attention, feed-forward, and a method on them."""

from dataclasses import dataclass

from explorer.budget.params import count_parameters
from explorer.budget.sites import feed_forward_width
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.errors import ExplorerError
from explorer.figures.diagram import plan as at
from explorer.figures.diagram.attention import draw_attention_lane
from explorer.figures.diagram.canvas import Box, Canvas
from explorer.figures.diagram.experts import draw_experts_lane
from explorer.figures.diagram.feed_forward import draw_feed_forward_lane
from explorer.figures.diagram.glyphs import draw_strip, layer_strip, strip_legend
from explorer.figures.diagram.overlay.plain import Overlay
from explorer.figures.diagram.plan import Naming
from explorer.figures.diagram.rope import RopeFooter
from explorer.figures.diagram.style import Mode
from explorer.figures.diagram.text import plain, shape, share, width


@dataclass(frozen=True)
class Rendering:
    """How a drawing is handed over: inline in a page, or as a file of its own with its theme."""

    mode: Mode = "auto"
    standalone: bool = False


INLINE = Rendering()


def draw_block(
    arch: Architecture, name: str = "LLaMA", layer: int = 0, rendering: Rendering = INLINE
) -> str:
    """One decoder layer as SVG. `layer` counts from 0; ExplorerError for one that there is not."""
    return draw_with(arch, Overlay(), name, layer, rendering)


def draw_attention(
    arch: Architecture, name: str = "LLaMA", layer: int = 0, rendering: Rendering = INLINE
) -> str:
    """The attention of a layer alone, with the wavelengths that its rotation turns by."""
    return draw_with(arch, RopeFooter(), name, layer, rendering, ("attention",))


def draw_feed_forward(
    arch: Architecture, name: str = "LLaMA", layer: int = 0, rendering: Rendering = INLINE
) -> str:
    """The feed-forward of a layer alone, dense or with experts."""
    return draw_with(arch, Overlay(), name, layer, rendering, ("feed-forward",))


def draw_with(
    arch: Architecture,
    overlay: Overlay,
    name: str,
    layer: int,
    rendering: Rendering = INLINE,
    lanes: tuple[str, ...] = ("attention", "feed-forward"),
) -> str:
    """A decoder layer, or one lane of it, with a method drawn on it."""
    subject = checked(arch, name, layer)
    canvas = Canvas()
    top = _header(canvas, subject, overlay)
    under = len(canvas.elements)
    y = top + 44
    for number, lane in enumerate(lanes):
        if number:
            y += 66
            canvas.rule((at.NORM, y - 52), (at.WIDTH - 32, y - 52))
        draw = _attention if lane == "attention" else _feed_forward
        y = draw(canvas, y, subject, overlay)
    spine = Canvas()  # its length is known only now, and it lies under everything
    at.residual(spine, top + 6, y + 40, shape("T", arch.hidden_size))
    canvas.elements[under:under] = spine.elements
    footer = overlay.footer(subject)
    if footer:
        overlay.draw_footer(canvas, y + 56, subject)
    title = f"{name}: layer {layer + 1} of {arch.num_hidden_layers}"
    spoken = f"{_described(subject)} {overlay.name and _lead(subject, overlay)}"
    return canvas.finish(
        (at.WIDTH, y + 56 + footer), f"{title}{overlay.name and f', {overlay.name}'}", spoken,
        rendering.mode, rendering.standalone,
    )  # fmt: skip


def _attention(canvas: Canvas, y: float, subject: Naming, overlay: Overlay) -> float:
    name = "cross-attention" if subject.crosses else "attention"
    at.lane_title(canvas, y - 28, name, positions(subject))
    return draw_attention_lane(canvas, y, subject, overlay)


def _feed_forward(canvas: Canvas, y: float, subject: Naming, overlay: Overlay) -> float:
    at.lane_title(canvas, y - 28, "feed-forward", _feed_forward_note(subject))
    if subject.routes:
        return draw_experts_lane(canvas, y, subject, overlay)
    width = feed_forward_width(subject.arch, subject.layer)
    return draw_feed_forward_lane(canvas, y, subject, width, overlay)


def checked(arch: Architecture, name: str, layer: int) -> Naming:
    """What is drawn, or an ExplorerError that says which layers there are."""
    if not 0 <= layer < arch.num_hidden_layers:
        raise ExplorerError(
            f"layer = {layer}: this model's layers run from 0 to {arch.num_hidden_layers - 1}."
        )
    return Naming(arch, name, layer)


def _header(canvas: Canvas, subject: Naming, overlay: Overlay) -> float:
    arch = subject.arch
    shown = f"{subject.name} · layer {subject.layer + 1} of {arch.num_hidden_layers}"
    shown += f" · {overlay.name}" if overlay.name else ""
    canvas.text((28, 38), shown, "title", room=at.WIDTH - 330)
    lead = _lead(subject, overlay)
    canvas.text((28, 60), lead, "lead", room=at.WIDTH - 60)
    marks(canvas, at.WIDTH - 28, 32, bool(overlay.name))
    strip = layer_strip(arch, (28, 78), at.WIDTH - 56)
    acted = overlay.layers()
    draw_strip(canvas, arch, strip, subject.layer, acted)
    entries = [*strip_legend(arch), ("open-ink", "drawn below")]
    entries += [("fill-hot", f"has {overlay.name}")] if acted else []
    legend(canvas, (28, strip.bottom + 16), entries)
    return strip.bottom + 28


def _lead(subject: Naming, overlay: Overlay) -> str:
    """The sentence under the title: what the block is, or what the method trains of the model."""
    said = overlay.lead(subject) or _described(subject)
    if overlay.trained is None:
        return said
    trained = overlay.trained
    almost = "" if trained.exact else "about "
    whole = share(trained.total, count_parameters(subject.arch).total)
    return f"{said}. Trains {almost}{plain(trained.total)} in all, {whole} of the model."


def legend(canvas: Canvas, start: tuple[float, float], entries: list[tuple[str, str]]) -> None:
    """Keys to colours, in a line."""
    x, y = start
    for tone, words in entries:
        tall = 3 if tone == "fill-hot" else 8
        canvas.cells([(x + 0.7, y - 8 + (8 - tall) / 2)], 8, tone, tall)
        canvas.text((x + 15, y), words, "edge")
        x += 15 + width(words, "edge") + 20


def marks(canvas: Canvas, right: float, y: float, trains: bool) -> None:
    """The key to frozen, trained and without weights, set from the right."""
    entries = [("op", "no weights"), ("frozen", "frozen" if trains else "weights")]
    entries += [("trained", "trained")] if trains else []
    x = right
    for kind, words in entries:
        x -= width(words, "edge")
        canvas.text((x, y + 4), words, "edge")
        x -= 30
        canvas.sample(Box(x, y - 7, 24, 14), kind)
        x -= 18


def _described(subject: Naming) -> str:
    arch = subject.arch
    inside = (
        f"{arch.num_local_experts} experts of width {arch.intermediate_size} and a shared one"
        if subject.routes
        else f"a SwiGLU feed-forward of width {feed_forward_width(arch, subject.layer)}"
    )
    return (
        f"{arch.num_attention_heads} query heads over {arch.num_key_value_heads} key-value heads "
        f"of width {arch.head_dim}, then {inside}. T is the number of tokens."
    )


def positions(subject: Naming) -> str:
    """How positions enter this layer, with the scaling by name."""
    arch = subject.arch
    if subject.crosses:
        return "queries from the text, keys and values from the image; both gates start at zero"
    if not subject.rotates:
        return "no rotation: this layer knows positions only through the causal mask"
    said = f"RoPE θ = {plain(arch.rope_theta)}"
    scaling = arch.rope_scaling or {}
    kind = scaling.get("rope_type") or scaling.get("type")
    if kind and kind != "default":
        said += f", {plain(kind)} scaling"
        said += f" × {plain(scaling['factor'])}" if "factor" in scaling else ""
        original = scaling.get("original_max_position_embeddings")
        said += f" of {plain(original)}" if original else ""
    return f"{said}; up to {plain(arch.max_position_embeddings)} tokens"


def _feed_forward_note(subject: Naming) -> str:
    if subject.routes:
        return "mixture of experts: a router sends each token to a few of many SwiGLU networks"
    return "SwiGLU: down( SiLU(gate x) ⊙ up x )"
