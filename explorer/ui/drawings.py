"""Which drawing of a model stands behind which level."""

from explorer.catalogue.architecture import Architecture
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.figures.diagram.block import INLINE, Rendering, draw_block
from explorer.figures.diagram.model import draw_model
from explorer.figures.diagram.vision import draw_vision

LEVELS = {"model": "Whole model", "block": "One layer", "vision": "Vision"}
THEMES = ("light", "dark")


def file_style(theme: str) -> Rendering:
    """How a drawing is made that stands in a file of its own."""
    if theme not in THEMES:
        raise unknown("theme", theme, THEMES)
    return Rendering(theme, standalone=True)


def levels(arch: Architecture) -> list[str]:
    """The levels that there are of this model."""
    return [name for name in LEVELS if name != "vision" or arch.vision is not None]


def draw(
    arch: Architecture, name: str, level: str, layer: int = 0, rendering: Rendering = INLINE
) -> str:
    """The SVG of this level of the model. `layer` counts from 0 and matters to "block" alone."""
    if level == "model":
        return draw_model(arch, name, rendering)
    if level == "vision":
        return draw_vision(arch, name, rendering)
    if level != "block":
        raise unknown("level", level, LEVELS)
    if layer != int(layer):
        raise ExplorerError(f"layer = {layer + 1}: it takes a whole number.")
    return draw_block(arch, name, int(layer), rendering)
