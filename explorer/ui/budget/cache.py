"""View: the KV cache: bytes a token, at any context and type, and the longest that fits."""

from markupsafe import Markup

from explorer.budget.export import gib
from explorer.budget.forecast import forecast
from explorer.budget.kv import cache_bytes, cached_layers, longest_context, token_bytes
from explorer.budget.plan import KV_BYTES
from explorer.ui.budget.case import Case
from explorer.ui.budget.tables import row, section, table
from explorer.ui.cards.values import bytes_words, tokens
from explorer.ui.markup import element, joined

SHOWN = {"bfloat16": "16 bits", "float8": "float8", "int8": "int8", "int4": "int4"}
CONTEXTS = (2**10, 2**12, 2**13, 2**15, 2**17, 2**20)


def view(case: Case) -> Markup:
    """The whole view."""
    return joined([_token(case), _contexts(case)])


def _token(case: Case) -> Markup:
    arch = case.budget.resolved.arch
    whole, chunked = cached_layers(arch)
    layers = whole + chunked
    heads, kv_heads = arch.num_attention_heads, arch.num_key_value_heads
    filled = f"2 · {layers} · {kv_heads} · {arch.head_dim} · 2 bytes"
    told = [
        element(
            "p",
            element("strong", bytes_words(token_bytes(arch))),
            " for each token of each sequence, in 16 bits.",
        ),
        element(
            "p", element("code", "2 · layers · KV heads · head width · bytes"), class_="formula"
        ),
        element("p", element("code", f"= {filled} = {token_bytes(arch):,.0f}"), class_="formula"),
    ]
    if kv_heads < heads:
        ratio = heads / kv_heads
        told.append(
            element(
                "p",
                f"Grouped queries share keys and values: {kv_heads} KV heads serve {heads} query "
                f"heads, {ratio:g} times less than if each had its own.",
                class_="faint",
            )
        )
    if chunked:
        told.append(
            element(
                "p",
                f"{chunked} of {layers} layers attend within chunks and keep at most "
                f"{arch.attention_chunk_size:,} tokens; {whole} keep all.",
                class_="faint",
            )
        )
    return section("The cache of a token", *told)


def _contexts(case: Case) -> Markup:
    arch, batch = case.budget.resolved.arch, case.plan.batch
    running = case.plan.with_values(mode="inference", prompt=None, sharding="none")
    beside = forecast(running, case.catalogue)
    free = beside.fit.free + beside.memory.terms["kv_cache"]
    trained = arch.max_position_embeddings
    contexts = sorted({*CONTEXTS, case.plan.length, trained})
    rows = [
        row(
            _context_words(context, case.plan.length, trained),
            *(
                _sized(cache_bytes(arch, context, batch, KV_BYTES[kind]), free)
                for kind in SHOWN
            ),
            numeric=range(1, 5),
            class_="own" if context == case.plan.length else None,
        )
        for context in contexts
    ]  # fmt: skip
    longest = [longest_context(arch, free, batch, KV_BYTES[kind]) for kind in SHOWN]
    rows.append(
        row(
            "the longest that fits",
            *("no limit" if n is None else f"{n:,}" for n in longest),
            numeric=range(1, 5),
            class_="total",
        )
    )
    held = gib(beside.memory.total - beside.memory.terms["kv_cache"])
    return section(
        "At any context",
        table(("Tokens", *SHOWN.values()), rows, range(1, 5)),
        note=f"Batch {batch:,} on {case.device_name}: {gib(max(free, 0))} are free beside {held} "
        f"for the model and one pass over {case.plan.length:,} tokens. ✕ does not fit.",
    )


def _context_words(context: int, here: int, trained: int) -> str:
    words = tokens(context)
    if context == trained:
        words += ", the longest it was made for"
    return f"{words} (this plan)" if context == here else words


def _sized(size: int, free: int) -> Markup | str:
    if size <= free:
        return gib(size)
    return element("span", f"✕ {gib(size)}", class_="unable", title="does not fit")
