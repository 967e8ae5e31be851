"""A whole model: where its parameters are, its kinds of layer, its way from token to logits."""

from explorer.budget.params import count_parameters
from explorer.budget.sites import embedding_rows, feed_forward_width
from explorer.catalogue.architecture import Architecture
from explorer.figures.diagram import plan as at
from explorer.figures.diagram.block import INLINE, Rendering, legend
from explorer.figures.diagram.canvas import Box, Canvas, Caption
from explorer.figures.diagram.glyphs import draw_strip, layer_strip, strip_legend
from explorer.figures.diagram.kinds import LayerKind, layer_kinds
from explorer.figures.diagram.parts import numbers_in
from explorer.figures.diagram.plan import Naming
from explorer.figures.diagram.text import brief, count, plain, shape, share, width
from explorer.figures.diagram.vision import HEIGHT, vision_row

KIND_PITCH = 128.0
ATTENTION = 410.0
FEED_FORWARD = 800.0


def draw_model(arch: Architecture, name: str = "LLaMA", rendering: Rendering = INLINE) -> str:
    """The whole model as SVG. The box of a kind of layer carries `data-layer`, the first of it."""
    canvas = Canvas()
    canvas.text((28, 38), name, "title", room=at.WIDTH - 60)
    lead = _lead(arch)
    canvas.text((28, 60), lead, "lead", room=at.WIDTH - 56)
    _parameter_bar(canvas, 80, arch)
    strip = layer_strip(arch, (28, 144), at.WIDTH - 56)
    draw_strip(canvas, arch, strip, None, frozenset())
    for layer, place in enumerate(strip.places):
        canvas.pick(Box(*place, strip.size + 3, 2 * strip.size + 4), layer)
    legend(canvas, (28, strip.bottom + 16), strip_legend(arch))
    y = strip.bottom + 50
    sees = arch.vision is not None and arch.model_type != "llama"
    image_x = 0.0
    if sees:
        canvas.text((28, y), "VISION TOWER", "lane")
        vision_row(canvas, y + 26, arch)
        image_x = at.WIDTH - 64
        y += HEIGHT + 64
    top = y
    y = _entrance(canvas, y, arch, sees, image_x)
    for kind in layer_kinds(arch):
        _kind_row(canvas, y, arch, kind, (top - 52 + 14, image_x))
        y += KIND_PITCH
    y = _exit(canvas, y + 6, arch)
    canvas.wire(
        [(at.SPINE, top + 24), (at.SPINE, y - at.ROW / 2), (at.NORM, y - at.ROW / 2)], "spine"
    )
    return canvas.finish(
        (at.WIDTH, y + 24), f"{name}: the whole model", lead, rendering.mode,
        rendering.standalone,
    )  # fmt: skip


def _lead(arch: Architecture) -> str:
    sizes = count_parameters(arch)
    said = f"{plain(sizes.total)} parameters"
    if sizes.active != sizes.total:
        said += f", {plain(sizes.active)} of them active for a token of text"
    layers = f"{arch.num_hidden_layers} layers of width {arch.hidden_size}"
    return f"{said}; {layers}; T is the number of tokens"


COMPONENTS = (
    ("embedding", "fill-value", ("embeddings",)),
    ("attention", "fill-query", ("attention", "cross_attention")),
    ("feed-forward", "fill-line", ("mlp", "shared_expert", "router")),
    ("experts", "fill-expert", ("experts",)),
    ("vision", "fill-image", ("vision", "projector")),
    ("norms", "fill-edge", ("norms",)),
    ("head", "fill-key", ("head",)),
)


def _parameter_bar(canvas: Canvas, y: float, arch: Architecture) -> None:
    """All parameters as one bar, to scale, with a key under it."""
    sizes = count_parameters(arch)
    x, room = 28.0, at.WIDTH - 56
    key = 28.0
    for label, tone, components in COMPONENTS:
        numbers = sum(
            n for part, n in sizes.by_component.items() if part.split(".")[0] in components
        )
        if not numbers and label != "head":
            continue
        if numbers:
            canvas.plate(Box(x, y, max(room * numbers / sizes.total - 1, 0.6), 16), tone, 2)
        x += room * numbers / sizes.total
        tied = label == "head" and arch.tie_word_embeddings
        amount = "tied" if tied else f"{brief(numbers)}, {share(numbers, sizes.total)}"
        canvas.cells([(key, y + 28)], 8, tone)
        canvas.text((key + 14, y + 36), f"{label} {amount}", "edge")
        key += 14 + width(f"{label} {amount}", "edge") + 20


def _entrance(canvas: Canvas, y: float, arch: Architecture, sees: bool, image_x: float) -> float:
    """Token ids to vectors, and for Llama 4 the image tokens among them."""
    row = y + at.ROW / 2
    hidden, rows = arch.hidden_size, embedding_rows(arch)
    box = Box(at.NORM, y, 210, at.ROW)
    caption = Caption("embed_tokens", count(numbers_in(arch, "embed_tokens")), f"{rows} → {hidden}")
    canvas.box(box, caption, "embed_tokens")
    ids = Box(at.NORM + 320, row - 12, 104, 24)
    canvas.operation(ids, "token ids: T", "embed_tokens")
    canvas.wire([ids.left, box.right])
    canvas.wire([box.left, (at.SPINE + 2, row)])
    canvas.text((at.SPINE - 16, y - 6), shape("T", hidden), "edge")
    if sees and arch.model_type == "llama4":
        canvas.wire([(image_x, y - 52 + 14), (image_x, y + 62), (at.SPINE + 2, y + 62)], "image")
        words = "early fusion: image tokens take their places among the text's"
        canvas.text((at.NORM + 450, y + 56), words, "note text-image", room=470)
        return y + 112
    return y + 96


def _kind_row(
    canvas: Canvas, y: float, arch: Architecture, kind: LayerKind, image: tuple[float, float]
) -> None:
    """One kind of layer: how many there are and which, and its two sublayers."""
    row = y + 34
    first = kind.layers[0]
    subject = Naming(arch, "", first)
    held = Box(at.NORM, y - 3, 210, 74)
    caption = Caption(f"{len(kind.layers)} layers", count(kind.parameters), kind.numbers)
    canvas.open_group(held, caption, "layers", "frozen", first)
    canvas.text((held.x + 12, y + 24), f"{len(kind.layers)} ×", "title")
    said = f"{count(kind.parameters)} each"
    canvas.text((held.x + 198, y + 24), said, "count", "end")
    canvas.text((held.x + 12, y + 44), f"layers {kind.numbers}", "shape", room=188)
    canvas.text((held.x + 12, y + 61), "open one to see it whole", "edge", room=188)
    canvas.close_group()
    canvas.wire([(at.SPINE, row), held.left])
    attention = Box(ATTENTION, row - 27, 250, 54)
    part = "cross_attention.q_proj" if kind.crosses else "attention.heads"
    _sublayer(canvas, attention, _attention_words(subject, kind), part)
    feed_forward = Box(FEED_FORWARD, row - 27, 236, 54)
    part = "experts" if kind.routes else "mlp.gate_proj"
    _sublayer(canvas, feed_forward, _feed_forward_words(subject, kind), part)
    _chain(canvas, row, held, attention, feed_forward)
    if kind.crosses:
        above, x = image
        canvas.wire([(x, above), (x, y - 14), (attention.x + 200, y - 14),
                     (attention.x + 200, attention.y)], "image")  # fmt: skip
        canvas.text((x - 10, y - 20), "keys and values from the image", "edge text-image", "end")


def _chain(canvas: Canvas, row: float, held: Box, attention: Box, feed_forward: Box) -> None:
    """Norm, sublayer, sum, twice, with the residual going around under each."""
    start = held.x + held.width
    for box, norm in ((attention, "input_layernorm"), (feed_forward, "post_attention_layernorm")):
        pill = Box(box.x - 90, row - 11, 76, 22)
        canvas.wire([(start, row), pill.left])
        canvas.operation(pill, "RMSNorm", norm)
        canvas.wire([pill.right, box.left], arrow=True)
        plus = (box.x + box.width + 22, row)
        canvas.wire([box.right, (plus[0] - 10, row)])
        canvas.wire(
            [(start + 8, row), (start + 8, row + 42), (plus[0], row + 42), (plus[0], row + 11)]
        )
        canvas.node(plus, "+")
        start = plus[0] + 10
    canvas.wire([(start, row), (start + 36, row)])


def _sublayer(canvas: Canvas, box: Box, words: tuple[str, str, str], part: str) -> None:
    name, detail, more = words
    canvas.open_group(box, Caption(name, detail=detail, spoken=more), part, "frozen")
    canvas.text((box.x + 12, box.y + 17), name, "label", room=box.width - 24)
    canvas.text((box.x + 12, box.y + 33), detail, "edge", room=box.width - 24)
    canvas.text((box.x + 12, box.y + 47), more, "edge", room=box.width - 24)
    canvas.close_group()


def _attention_words(subject: Naming, kind: LayerKind) -> tuple[str, str, str]:
    arch = subject.arch
    each = 2 * arch.hidden_size * (arch.q_dim + arch.kv_dim)
    heads = (
        f"{arch.num_attention_heads} query, {arch.num_key_value_heads} key-value heads "
        f"× {arch.head_dim}"
    )
    name = "cross-attention" if kind.crosses else "attention"
    if not kind.crosses and subject.chunk:
        name = f"chunked {name}"
    elif not kind.rotates and not kind.crosses:
        name += " without positions"
    return f"{name} · {brief(each)}", heads, _positions(subject)


def _positions(subject: Naming) -> str:
    """How positions enter, in a few words."""
    scaling = subject.arch.rope_scaling or {}
    if subject.crosses:
        return "queries from the text, gated by tanh"
    if not subject.rotates:
        return "positions through the causal mask alone"
    said = f"RoPE θ = {plain(subject.arch.rope_theta)}"
    if "factor" in scaling:
        said += f", scaled × {plain(scaling['factor'])}"
    return f"{said}, chunks of {subject.chunk}" if subject.chunk else said


def _feed_forward_words(subject: Naming, kind: LayerKind) -> tuple[str, str, str]:
    arch = subject.arch
    hidden = arch.hidden_size
    if kind.routes:
        each = numbers_in(arch, "experts") + numbers_in(arch, "router")
        each += 3 * hidden * arch.intermediate_size
        routed = f"{arch.num_experts_per_tok} of {arch.num_local_experts} experts + shared"
        inner = f"each {hidden} → {arch.intermediate_size} → {hidden}"
        return f"mixture of experts · {brief(each)}", routed, inner
    inside = feed_forward_width(arch, subject.layer)
    said = f"{hidden} → {inside} → {hidden}"
    return f"SwiGLU · {brief(3 * hidden * inside)}", said, "down( SiLU(gate x) ⊙ up x )"


def _exit(canvas: Canvas, y: float, arch: Architecture) -> float:
    """The last norm, the head, the logits."""
    row = y + at.ROW / 2
    norm = Box(at.NORM, y, at.NORM_WIDTH, at.ROW)
    canvas.box(norm, Caption("RMSNorm", "", f"{arch.hidden_size} gains", code=False), "norm")
    head = Box(at.NORM + at.NORM_WIDTH + 110, y, 210, at.ROW)
    tied = arch.tie_word_embeddings
    amount = "tied" if tied else count(numbers_in(arch, "lm_head"))
    detail = f"{arch.hidden_size} → {arch.vocab_size}"
    caption = Caption("lm_head", amount, detail, "shares the embedding's weight" if tied else "")
    canvas.box(head, caption, "lm_head", "ghost" if tied else "frozen")
    canvas.wire([norm.right, head.left])
    canvas.text((norm.x + norm.width + 12, row - 7), shape("T", arch.hidden_size), "edge", room=90)
    end = head.x + head.width
    canvas.wire([head.right, (end + 130, row)])
    canvas.text((end + 12, row - 7), shape("T", arch.vocab_size), "edge", room=110)
    canvas.text((end + 140, row + 4), "logits", "label")
    if tied:
        words = "the same numbers as embed_tokens: they are counted once"
        canvas.text((end + 200, row + 4), words, "note", room=400)
    return y + at.ROW
