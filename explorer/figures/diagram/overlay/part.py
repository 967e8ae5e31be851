"""A part that a method adds to a block, for the details behind a click."""

from dataclasses import dataclass

from explorer.budget.sites import Site, linear_sites
from explorer.figures.diagram.plan import Naming


@dataclass(frozen=True)
class MethodPart:
    """Trained tensors by name with their shapes, none where the part has no weights."""

    name: str
    weights: tuple[tuple[str, tuple[int, ...]], ...]
    formula: str
    explanation: str


def sites_of(subject: Naming, names: frozenset[str]) -> list[Site]:
    """The linears of this layer that go by one of these names."""
    return [
        site
        for site in linear_sites(subject.arch)
        if site.layer == subject.layer and site.name in names and not site.in_vision
    ]
