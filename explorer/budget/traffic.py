"""What one pass over a model reads from the device's memory."""

from explorer.budget.memory import Memory
from explorer.budget.resolve import Resolved
from explorer.budget.sites import embedding_rows


def read_bytes(resolved: Resolved, memory: Memory, tokens: int) -> int:
    """Bytes of weights that a pass over so many tokens of text reads, as they are held.

    That is every layer that text goes through, the last norm, the head (the embedding's table,
    where that is the head), a row of the table a token, and what the method adds. The vision tower
    and Mllama's cross-attention layers see no image and are left out.
    """
    arch, weights = resolved.arch, memory.weights
    assert weights is not None  # every forecast has them
    crossing = set(arch.cross_attention_layers)
    layers = sum(size for layer, size in enumerate(weights.layers) if layer not in crossing)
    experts = sum(weights.experts) * _experts_read(resolved, tokens)
    rows = min(tokens, arch.vocab_size) * weights.embedding // embedding_rows(arch)
    added = memory.terms["adapter"] + memory.terms["adapter_frozen"]
    head = weights.head or weights.embedding
    return layers + int(experts) + weights.norm + head + rows + added


def runs_every_expert(resolved: Resolved) -> bool:
    """Whether the engine runs all experts on every token: transformers does, llama.cpp does not."""
    return resolved.arch.is_moe and not resolved.plan.quantization.startswith("gguf-")


def _experts_read(resolved: Resolved, tokens: int) -> float:
    """The share of the routed experts that are read.

    Where only chosen ones run, as many as tokens that choose evenly would meet: all but the
    (1 - k/n)^tokens that none of them chooses.
    """
    if not resolved.arch.is_moe or runs_every_expert(resolved):
        return 1.0
    arch = resolved.arch
    return 1 - (1 - (arch.num_experts_per_tok or 0) / (arch.num_local_experts or 1)) ** tokens
