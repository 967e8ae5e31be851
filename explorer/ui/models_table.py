"""The table of all models: rows to filter and to sort."""

from collections.abc import Iterable

from explorer.budget.params import count_parameters
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.model import Model
from explorer.ui.cards.model import display_name
from explorer.ui.cards.sources import source_words

HEADERS = (
    "Model", "Generation", "Size (B)", "Active (B)", "Kind", "Reads", "Context",
    "Licence", "Released", "Sources",
)  # fmt: skip
DATATYPES = ("str", "str", "number", "number", "str", "str", "number", "str", "str", "str")
KINDS = ("dense", "mixture of experts")
WIDTHS = ("190px", "135px", "125px", "95px", "155px", "135px", "95px", "175px", "105px", "640px")
READS = ("text", "text and images")

Row = dict[str, str | float | int | dict[str, str] | None]


def rows(
    catalogue: Catalogue,
    generations: Iterable[str] = (),
    kinds: Iterable[str] = (),
    reads: Iterable[str] = (),
) -> list[Row]:
    """A row for each model that passes the filters; an empty filter lets everything pass."""
    wanted = {"generation": set(generations), "kind": set(kinds), "reads": set(reads)}
    made = [row(catalogue, model) for model in ordered(catalogue)]
    return [r for r in made if all(not w or r[name] in w for name, w in wanted.items())]


def ordered(catalogue: Catalogue) -> list[Model]:
    """Models by generation, then by size."""
    return sorted(
        catalogue.models.values(),
        key=lambda m: (
            catalogue.generation(m.generation).order,
            m.exact_total_params.value or 10**15,
            m.id,
        ),
    )


def row(catalogue: Catalogue, model: Model) -> Row:
    """A model's row, under plain names; a figure that is not known is None."""
    total = model.exact_total_params.value
    arch = model.architecture
    released = model.release_date.value
    return {
        "id": model.id,
        "name": display_name(model),
        "generation": model.generation,
        "generation_name": catalogue.generation(model.generation).name,
        "parameters": total,
        "active_parameters": count_parameters(arch).active if arch else None,
        "kind": kind(model),
        "reads": reads(model),
        "context": model.max_context.value,
        "licence": model.licence.value,
        "released": released.isoformat() if released else None,
        "released_to_the_public": model.released,
        "sources": sources(model),
    }


def sources(model: Model) -> dict[str, str]:
    """The documents behind each figure of the model's row, or how it was come by."""
    held = {
        "size": model.exact_total_params,
        "context": model.max_context,
        "licence": model.licence,
        "released": model.release_date,
    }
    known = {name: fact.source for name, fact in held.items() if fact.source}
    told = {name: source_words(entries, model.sources) for name, entries in known.items()}
    active = {"active": "counted from the shape"} if model.architecture else {}
    return told | active


def kind(model: Model) -> str:
    """Dense or mixture of experts."""
    return KINDS[1] if model.num_local_experts.value else KINDS[0]


def reads(model: Model) -> str:
    """What the model takes in."""
    return READS[1] if "image" in (model.modality.value or "") else READS[0]


def cells(found: Iterable[Row]) -> list[list[str | float | int | None]]:
    """The rows as the table on the page shows them, in the order of HEADERS."""
    return [
        [
            r["name"],
            r["generation_name"],
            _billions(r["parameters"]),
            _billions(r["active_parameters"]),
            r["kind"],
            r["reads"],
            r["context"],
            _short(r["licence"]),
            r["released"] or "never",
            "; ".join(f"{name}: {told}" for name, told in r["sources"].items()),
        ]
        for r in found
    ]


def _billions(value: float | None) -> float | None:
    return None if value is None else round(value / 1e9, 3)


def _short(licence: str | None) -> str:
    """A licence without the words that all of them share."""
    return (licence or "none").replace(" License Agreement", "").replace("Meta ", "")
