"""View: parameters by component, what trains of them, and the adapter's file."""

from markupsafe import Markup

from explorer.budget.export import gib
from explorer.figures.theme import QUERY, TRAINED, Colour
from explorer.ui.budget.case import Case
from explorer.ui.budget.tables import row, section, table
from explorer.ui.cards.values import compact, share
from explorer.ui.markup import element, joined

NAMES = {
    "embeddings": "token embedding",
    "head": "output head",
    "norms": "norms",
    "layers": "in each layer",
    "model": "once in the model",
}


def view(case: Case) -> Markup:
    """The whole view."""
    return joined([_trained(case), _components(case), _layers(case)])


def _trained(case: Case) -> Markup:
    resolved = case.budget.resolved
    count, total = resolved.trainable, resolved.params.total
    most = max(count.by_site.values(), default=1) or 1
    rows = [
        row(
            NAMES.get(name, name), _bar(numbers / most, TRAINED), f"{numbers:,}",
            share(numbers, count.total), numeric=(2, 3),
        )
        for name, numbers in count.by_site.items()
    ]  # fmt: skip
    saved = case.budget.to_dict()["trainable"]["adapter_file_bytes"]
    words = (
        f"{count.total:,} of {total:,} ({share(count.total, total)}) in "
        f"{len(count.layers)} of {resolved.arch.num_hidden_layers} layers. "
        f"Saved as a file: {gib(saved)}."
    )
    return section(
        f"What {resolved.method.name} trains",
        element("p", words),
        element("p", element("code", resolved.method.trainable.formula), class_="formula"),
        table(("On", "", "Parameters", "Share"), rows, (2, 3), "bars"),
        element("p", count.note, class_="faint") if count.note else None,
    )


def _components(case: Case) -> Markup:
    count = case.budget.resolved.params
    most = max(count.by_component.values())
    rows = [
        row(
            NAMES.get(name, name), _bar(numbers / most, QUERY),
            f"{numbers:,}" if numbers else "0, tied to the embedding",
            share(numbers, count.total), numeric=(2, 3),
        )
        for name, numbers in count.by_component.items()
    ]  # fmt: skip
    rows.append(row("together", "", f"{count.total:,}", "100 %", numeric=(2, 3), class_="total"))
    words = f"{count.total:,} in all, as transformers counts them"
    if count.active != count.total:
        words += f"; a token of text goes through {count.active:,} ({compact(count.active)})"
    return section(
        "The model by component",
        table(("Component", "", "Parameters", "Share"), rows, (2, 3), "bars"),
        note=f"{words}.",
    )


def _layers(case: Case) -> Markup | None:
    """Layers of one size together; nothing where all are alike."""
    sizes = case.budget.resolved.params.by_layer
    groups: dict[int, list[int]] = {}
    for layer, size in enumerate(sizes):
        groups.setdefault(size, []).append(layer)
    rows = [
        row(
            f"{len(layers)} layers" if len(layers) > 1 else "1 layer",
            _listed(layers), f"{size:,}", numeric=(2,),
        )
        for size, layers in groups.items()
    ]  # fmt: skip
    return section("Layer by layer", table(("Of them", "Which (from 0)", "Each"), rows, (2,)))


def _listed(layers: list[int]) -> str:
    first, last = layers[0], layers[-1]
    if len(layers) > 1 and layers == list(range(first, last + 1)):
        return f"{first} to {last}"
    shown = ", ".join(map(str, layers[:8]))
    return f"{shown}, … {last}" if len(layers) > 8 else shown


def _bar(part: float, colour: Colour) -> Markup:
    style = f"width:{100 * part:.2f}%;--light:{colour.light};--dark:{colour.dark}"
    return element("span", element("span", "", style=style, class_="bar-part"), class_="cell-bar")
