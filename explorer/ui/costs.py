"""What a shape costs: parameters to store, cache and arithmetic for each token."""

from dataclasses import dataclass

from explorer.budget.kv import token_bytes
from explorer.budget.params import count_parameters, expert_parameters
from explorer.budget.sites import linear_sites
from explorer.catalogue.architecture import Architecture


@dataclass(frozen=True)
class Cost:
    """Parameters; bytes of KV cache for each token (bfloat16); FLOPs of a token's forward pass."""

    parameters: int
    active: int
    cache: int
    arithmetic: int

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(
            self.parameters - other.parameters,
            self.active - other.active,
            self.cache - other.cache,
            self.arithmetic - other.arithmetic,
        )


def cost(arch: Architecture) -> Cost:
    """The cost of this shape. Arithmetic is that of the matrices; scores grow with the context."""
    counted = count_parameters(arch)
    return Cost(
        parameters=counted.total,
        active=counted.active,
        cache=int(token_bytes(arch)),
        arithmetic=2 * multiplied(arch),
    )


def multiplied(arch: Architecture) -> int:
    """Weights that one token of text is multiplied with, visited experts among them."""
    dense = sum(site.weight for site in linear_sites(arch) if not site.in_vision)
    visited = len(arch.moe_layers) * (arch.num_experts_per_tok or 0)
    return dense + visited * expert_parameters(arch)
