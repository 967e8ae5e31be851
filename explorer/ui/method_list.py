"""The methods of the catalogue: filtered, ordered, counted on a model."""

from collections.abc import Callable, Iterable

from explorer.budget.trainable import TrainableCount, count_trainable
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.method import Method

TRAITS: dict[str, tuple[str, Callable[[Method], bool]]] = {
    "survey": ("in the survey", lambda m: m.survey),
    "merges": ("merges", lambda m: m.merges),
    "four-bit": ("works on 4-bit", lambda m: m.works_on_4bit),
    "eight-bit": ("works on 8-bit", lambda m: m.trains_on("int8")),
    "starts-as-base": ("starts as the base", lambda m: m.starts_as_base),
    "runs": ("runs here", lambda m: m.unsupported is None),
}
SURVEY = ("lora", "qlora", "llama-adapter-v1", "llama-adapter-v2", "llama-excitor")


def ordered(catalogue: Catalogue) -> list[Method]:
    """The survey's methods first, in its order of appearance in time, then the rest by name."""
    place = {name: index for index, name in enumerate(SURVEY)}
    return sorted(
        catalogue.methods.values(),
        key=lambda m: (not m.survey, place.get(m.id, len(place)), m.name.lower()),
    )


def filtered(
    catalogue: Catalogue, families: Iterable[str] = (), traits: Iterable[str] = (), words: str = ""
) -> list[Method]:
    """Methods of one of the families (any, if none is named) with all the traits and words."""
    wanted, needed = set(families), [TRAITS[name][1] for name in traits]
    terms = words.lower().split()
    return [
        method
        for method in ordered(catalogue)
        if (not wanted or method.family in wanted)
        and all(has(method) for has in needed)
        and all(term in _text(method) for term in terms)
    ]


def _text(method: Method) -> str:
    paper = f"{method.paper.title} {' '.join(method.paper.authors)}" if method.paper else ""
    return f"{method.id} {method.name} {method.family} {method.idea} {paper}".lower()


def counted(arch: Architecture, method: Method) -> TrainableCount | str:
    """What the method trains on this shape as it comes, or the sentence that says why not."""
    try:
        return count_trainable(arch, method)
    except ExplorerError as error:
        return str(error)


def summary(arch: Architecture, method: Method) -> dict[str, str | int | float | bool | None]:
    """A method in a row, under plain names."""
    found = counted(arch, method)
    known = isinstance(found, TrainableCount)
    return {
        "id": method.id,
        "name": method.name,
        "family": method.family,
        "peft_type": method.peft_type,
        **{name.replace("-", "_"): has(method) for name, (_, has) in TRAITS.items()},
        "trainable_formula": method.trainable.formula,
        "trainable": found.total if known else None,
        "percent": found.percent if known else None,
        "why_not": None if known else found,
    }
