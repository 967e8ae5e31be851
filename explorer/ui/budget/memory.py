"""View: the memory of a plan as a waterfall of its terms, as areas, and phase by phase."""

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from explorer.budget.explain import Explained, explain, saved_tensors
from explorer.budget.export import gib
from explorer.figures.budget import areas, term
from explorer.figures.theme import EDGE, INK, QUERY, Colour
from explorer.ui.budget.answer import swatch
from explorer.ui.budget.case import HELD, Case
from explorer.ui.budget.tables import fold, row, section, table
from explorer.ui.cards.values import number, share
from explorer.ui.markup import element, joined

PEAK = QUERY
PHASES = {
    "forward": "forward through the layers",
    "loss": "loss",
    "loss backward": "backward of the loss",
    "layers backward": "backward through the layers",
    "embedding backward": "backward of the embedding",
    "update": "optimizer's update",
    "prefill": "reading the prompt",
    "decode": "writing the answer",
}
WATERFALL_NOTE = (
    "Each bar starts where the one above ends. What is never alive together comes off again at the "
    "end. Open a term for its formula with this plan's numbers."
)


def view(case: Case) -> Markup:
    """The whole view."""
    return joined(
        [
            section("Memory, term by term", _waterfall(case), note=WATERFALL_NOTE),
            section("The same as areas", _treemap(case)),
            section(
                "What is alive when", _phases(case),
                note="The most that is alive in each part of a step; the largest is the peak.",
            ),
            _weights(case),
            _saved(case),
        ]
    )  # fmt: skip


def _waterfall(case: Case) -> Markup:
    memory, usable = case.budget.memory, case.budget.fit.usable
    told = {step.term: step for step in explain(case.budget)}
    returned = told.pop("not_at_once", None)
    whole = max(sum(step.bytes for step in told.values()), usable if case.budget.fit.fits else 0)
    scale = _Scale(whole, usable)
    at, lines = 0, []
    for name in sorted(told, key=lambda n: n not in HELD):
        lines.append(
            _line(told[name], scale.track(at, told[name].bytes, term(name).colour), memory.total)
        )
        at += told[name].bytes
    if returned:
        track = scale.track(at + returned.bytes, -returned.bytes, None)
        lines.append(_line(returned, track, memory.total))
    lines.append(_total(memory.total, scale))
    return element("div", joined(lines), class_="waterfall")


@dataclass(frozen=True)
class _Scale:
    """Where bytes lie on the bars of a waterfall."""

    whole: float
    usable: float

    def track(self, at: float, size: float, colour: Colour | None) -> Markup:
        """A bar from `at`, as long as `size`; without a colour only its outline."""
        style = f"left:{100 * at / self.whole:.3f}%;width:{100 * size / self.whole:.3f}%"
        if colour:
            style += f";--light:{colour.light};--dark:{colour.dark}"
        limit = f"left:{100 * self.usable / self.whole:.3f}%"
        return element(
            "span",
            element("span", "", class_="term-bar" if colour else "term-bar outline", style=style),
            element("span", "", class_="bar-limit", style=limit)
            if self.usable <= self.whole
            else None,
            class_="track",
            aria_hidden="true",
        )


def _line(step: Explained, track: Markup, peak: int) -> Markup:
    """A term with its bar, to unfold for how it comes about."""
    shown = term(step.term)
    head = (
        element("span", swatch(shown.colour), " ", shown.title, class_="term-name"),
        track,
        element("span", gib(step.bytes).replace("-", "−"), class_="term-size"),
    )
    details = element(
        "div",
        element("p", step.meaning[:1].upper() + step.meaning[1:], "."),
        element("p", element("code", step.formula), class_="formula"),
        element("p", element("code", f"= {step.filled}"), class_="formula"),
        element("p", f"= {step.bytes:,} bytes, {share(step.bytes, peak)} of the peak"),
        class_="term-details",
    )
    return element("details", element("summary", *head, class_="term"), details, class_="term-fold")


def _total(total: int, scale: _Scale) -> Markup:
    return element(
        "div",
        element("span", "Peak", class_="term-name plain-name"),
        scale.track(0, total, INK),
        element("span", gib(total), class_="term-size", title=f"{total:,} bytes"),
        class_="term total",
    )


def _treemap(case: Case) -> Markup:
    terms = case.budget.memory.terms
    boxes = []
    for area in areas(terms):
        shown = term(area.name)
        box = {"left": area.left, "top": area.top, "width": area.width, "height": area.height}
        style = ";".join(f"{side}:{100 * part:.3f}%" for side, part in box.items())
        style += f";--light:{shown.colour.light};--dark:{shown.colour.dark}"
        words = f"{shown.title}: {gib(terms[area.name])}"
        told = (element("b", shown.title), element("span", gib(terms[area.name])))
        named = element("div", *told) if area.width > 0.11 and area.height > 0.16 else None
        class_ = "area" if area.width > 0.24 else "area slim"  # slim: unnamed on narrow screens
        boxes.append(element("div", named, class_=class_, style=style, title=words))
    return element("div", joined(boxes), class_="treemap", role="img", aria_label="Terms as areas")


def _phases(case: Case) -> Markup:
    phases = case.budget.memory.phases
    whole = max(phases.values())
    scale = _Scale(whole, 2 * whole)
    lines = [
        element(
            "div",
            element("span", PHASES.get(name, name), class_="term-name plain-name"),
            scale.track(0, size, PEAK if size == whole else EDGE),
            element("span", gib(size), class_="term-size"),
            class_="term total" if size == whole else "term",
        )
        for name, size in phases.items()
    ]
    return element("div", joined(lines), class_="waterfall")


def _weights(case: Case) -> Markup | None:
    weights = case.budget.memory.weights
    if weights is None or len(weights.by_part) < 2:
        return None
    rows = [
        row(name, gib(size), number(size), numeric=(1, 2)) for name, size in weights.by_part.items()
    ]
    total = case.budget.resolved.params.total
    kept = [element("li", sentence) for sentence in weights.kept]
    return section(
        "The weights on the device",
        table(("Part", "Size", "Bytes"), rows, (1, 2)),
        element("ul", joined(kept), class_="faint notes") if kept else None,
        note=f"{weights.quantized_parameters:,} of {total:,} parameters are quantized.",
    )


def _saved(case: Case) -> Markup | None:
    tensors = saved_tensors(case.budget)
    if not tensors:
        return None
    rows = [
        row(tensor["tensor"], tensor["layers"], gib(int(tensor["bytes"])), numeric=(2,))
        for tensor in tensors
    ]
    return section(
        None,
        fold(
            "What a layer saves for its backward, tensor by tensor",
            table(("Tensor", "Layers (from 0)", "In each"), rows, (2,)),
        ),
    )


def term_rows(case: Case) -> list[Mapping[str, str | int]]:
    """The terms as plain rows, to be saved."""
    rows: list[Mapping[str, str | int]] = [
        {
            "term": step.term,
            "bytes": step.bytes,
            "meaning": step.meaning,
            "formula": step.formula,
            "with_numbers": step.filled,
        }
        for step in explain(case.budget)
    ]
    total = {"meaning": "the most that is alive at once", "formula": "", "with_numbers": ""}
    return [*rows, {"term": "total", "bytes": case.budget.memory.total, **total}]
