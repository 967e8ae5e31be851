"""What a method needs of its knobs and of the model: told in the words of its data file."""

from collections.abc import Iterator, Mapping
from typing import Any

from explorer.budget.formula import compile_formula
from explorer.budget.quantization import is_quantized
from explorer.budget.sites import Site
from explorer.budget.trainable import TrainableCount, known_numbers, selection
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.method import Method
from explorer.catalogue.need import Need

OF_A_SITE = {"site", "d_in", "d_out", "has_bias", "input_widths", "quantized"}


def refuse_unmet(arch: Architecture, method: Method, knobs: Mapping[str, Any]) -> None:
    """Raise ExplorerError, with the sentence, where these (read) knobs cannot be set so."""
    for need in method.needs:
        if need.about == "knobs":
            for sentence in _unmet(need, arch, method, knobs):
                raise ExplorerError(sentence)


def refuse_empty(method: Method, count: TrainableCount) -> None:
    """Raise ExplorerError where these knobs leave the method nothing on this model."""
    if not count.total:
        raise ExplorerError(f"{method.name} with these knobs has nothing to train on this model.")


def unmet_by_base(
    arch: Architecture,
    method: Method,
    knobs: Mapping[str, Any],
    skipped: tuple[str, ...] | None = None,
) -> list[str]:
    """Why the method cannot be attached to this base, if so.

    `skipped` are the modules that a quantized base leaves in 16 bits; None: it is not quantized.
    """
    told: list[str] = []
    for need in method.needs:
        if need.about == "base":
            told += list(_unmet(need, arch, method, knobs, skipped))[:1]
    return told


def _unmet(
    need: Need,
    arch: Architecture,
    method: Method,
    knobs: Mapping[str, Any],
    skipped: tuple[str, ...] | None = None,
) -> Iterator[str]:
    """The sentence for every place where the need is not met."""
    formula = compile_formula(need.holds)
    names = known_numbers(arch) | knobs | {"sees_images": arch.vision is not None}
    if not formula.names & OF_A_SITE:
        if not formula(names):
            yield _told(need, names)
        return
    for place in _places(arch, method, knobs, skipped):
        if not formula(names | place):
            yield _told(need, names | place)


def _places(
    arch: Architecture,
    method: Method,
    knobs: Mapping[str, Any],
    skipped: tuple[str, ...] | None,
) -> list[dict[str, Any]]:
    """What a formula knows of the linears acted on, alike ones once."""
    chosen = selection(arch, method, knobs)
    widths = _input_widths(chosen.sites)
    tied = arch.tie_word_embeddings
    if skipped is None:
        kinds = {(g.name, g.d_in, g.d_out, g.has_bias, False): None for g in chosen.groups}
    else:
        kinds = {
            (s.name, s.d_in, s.d_out, s.has_bias, is_quantized(s, skipped, tied)): None
            for s in chosen.sites
        }
    return [
        {
            "site": name,
            "d_in": d_in,
            "d_out": d_out,
            "has_bias": has_bias,
            "input_widths": widths[name],
            "quantized": held,
        }
        for name, d_in, d_out, has_bias, held in kinds
    ]


def _input_widths(sites: tuple[Site, ...]) -> dict[str, int]:
    """By name of a linear, how many input widths those in one kind of block have at most."""
    widths: dict[tuple[str, str], set[int]] = {}
    for site in sites:
        widths.setdefault((site.block, site.name), set()).add(site.d_in)
    most: dict[str, int] = {}
    for (_, name), found in widths.items():
        most[name] = max(len(found), most.get(name, 0))
    return most


def _told(need: Need, names: Mapping[str, Any]) -> str:
    return "".join(
        text + (_shown(compile_formula(formula).term(dict(names))) if formula else "")
        for text, formula in need.parts
    )


def _shown(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "nothing"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
