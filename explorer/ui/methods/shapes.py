"""The models that methods can be counted on."""

from explorer.catalogue.catalogue import Catalogue
from explorer.ui.cards.model import display_name
from explorer.ui.models_table import ordered


def choices(catalogue: Catalogue) -> list[tuple[str, str]]:
    """Names and ids of the models whose shape is known."""
    return [(display_name(m), m.id) for m in ordered(catalogue) if m.architecture is not None]
