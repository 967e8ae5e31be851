"""The models that methods can be counted on."""

from explorer.catalogue.architecture import Architecture
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.ui.cards.model import display_name
from explorer.ui.models_table import ordered


def architecture_of(catalogue: Catalogue, model: str) -> Architecture:
    """The model's shape. ExplorerError where not all of it is known."""
    found = catalogue.model(model)
    if found.architecture is None:
        raise ExplorerError(found.why_no_shape)
    return found.architecture


def choices(catalogue: Catalogue) -> list[tuple[str, str]]:
    """Names and ids of the models whose shape is known."""
    return [(display_name(m), m.id) for m in ordered(catalogue) if m.architecture is not None]
