"""Which drawing of a model stands behind which level."""

from explorer.catalogue.architecture import Architecture
from explorer.catalogue.errors import unknown
from explorer.figures.diagram.block import INLINE, Rendering, draw_block

LEVELS = {"block": "One layer"}


def draw(
    arch: Architecture, name: str, level: str, layer: int = 0, rendering: Rendering = INLINE
) -> str:
    """The SVG of this level of the model. `layer` counts from 0."""
    if level not in LEVELS:
        raise unknown("level", level, LEVELS)
    return draw_block(arch, name, layer, rendering)
