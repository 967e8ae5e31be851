"""The figures of a shape that is not in the catalogue."""

from markupsafe import Markup

from explorer.catalogue.architecture import Architecture
from explorer.ui.cards.sources import computed
from explorer.ui.cards.values import bytes_words, compact, flops, number, tokens
from explorer.ui.costs import cost
from explorer.ui.markup import element, joined


def shape_card(arch: Architecture) -> Markup:
    """Parameters, cache and arithmetic of this shape, all computed from it."""
    counted = cost(arch)
    heads = f"{arch.num_attention_heads} over {arch.num_key_value_heads}"
    figures = {
        "parameters": number(counted.parameters),
        "active for each token": compact(counted.active),
        "KV cache for each token": bytes_words(counted.cache),
        "arithmetic for each token": flops(counted.arithmetic),
        "heads": heads,
        "context": tokens(arch.max_position_embeddings),
    }
    tiles = [
        element(
            "div",
            element("span", value, class_="figure-value"),
            element("span", label, class_="figure-label"),
            class_="figure",
        )
        for label, value in figures.items()
    ]
    note = "Computed from the config: the cache in bfloat16, the arithmetic of a forward pass."
    told = element("p", note, class_="faint")
    figures_told = element("div", joined(tiles), class_="figures")
    return computed(note, figures_told, told, tag="article", class_="card")
