"""The key-value cache: bytes a token, at a context, and the longest context that fits."""

from explorer.catalogue.architecture import Architecture


def cached_layers(arch: Architecture) -> tuple[int, int]:
    """Layers that cache the whole context, and layers that cache at most a chunk of it.

    Llama 4's rotating layers attend within chunks, and transformers' cache keeps no more of them.
    Mllama's cross-attention layers cache the image, not the text, and are left out.
    """
    layers = len(arch.self_attention_layers)
    if not arch.attention_chunk_size:
        return layers, 0
    whole = len(arch.no_rope_layers)
    return whole, layers - whole


def token_bytes(arch: Architecture, kv_bytes: float = 2.0) -> float:
    """Bytes that one more token adds while no chunk is full: 2 · layers · kv heads · width."""
    return 2 * len(arch.self_attention_layers) * arch.kv_dim * kv_bytes


def cache_bytes(arch: Architecture, context: int, batch: int = 1, kv_bytes: float = 2.0) -> int:
    """Bytes of the cache of `batch` sequences of `context` tokens."""
    whole, chunked = cached_layers(arch)
    tokens = whole * context + chunked * min(context, arch.attention_chunk_size or context)
    return int(2 * batch * tokens * arch.kv_dim * kv_bytes)


def longest_context(
    arch: Architecture, free: float, batch: int = 1, kv_bytes: float = 2.0
) -> int | None:
    """The most tokens of context whose cache fits in `free` bytes; may exceed what was trained.

    None where the cache does not grow any more: every layer keeps at most a chunk, or nothing.
    """
    if free <= 0:
        return 0
    whole, chunked = cached_layers(arch)
    each = 2 * batch * arch.kv_dim * kv_bytes
    chunk = arch.attention_chunk_size or 0
    if not whole + chunked:
        return None
    until_full = int(free // (each * (whole + chunked)))
    if not chunked or until_full < chunk:
        return until_full
    if not whole:
        return None
    return int((free - each * chunked * chunk) // (each * whole))
