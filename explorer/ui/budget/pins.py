"""View: up to four pinned plans beside the one in the form."""

from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from explorer.budget.export import gib
from explorer.catalogue.errors import ExplorerError
from explorer.figures.budget import term
from explorer.ui.budget.answer import bar_part, knob_words
from explorer.ui.budget.case import Case, duration, money, peak_parts
from explorer.ui.budget.form import OPTIMIZER_NAMES
from explorer.ui.budget.links import MOST_PINS, href
from explorer.ui.budget.tables import section
from explorer.ui.budget.verdicts import mark
from explorer.ui.cards.values import compact, share
from explorer.ui.markup import element, joined

NOTE = (
    f"Pin this plan, change the form, pin again: up to {MOST_PINS} plans stand beside the one in "
    "the form. The link in the address bar holds them all."
)
NONE_YET = "Nothing is pinned yet."

Pinned = tuple[str, Case | str]  # a plan's line, and its case or the sentence that says why not


def read_pins(case: Case, text: str) -> list[Pinned]:
    """The pinned plans; one that is wrong has its sentence in its place."""
    found: list[Pinned] = []
    for line in case.lines.pins(text):
        try:
            found.append((line, Case.read(case.catalogue, case.lines, case.lines.read(line))))
        except ExplorerError as error:
            found.append((line, str(error)))
    return found


def view(case: Case, text: str) -> Markup:
    """The whole view."""
    pinned = read_pins(case, text)
    if not pinned:
        return section("Plans side by side", element("p", NONE_YET, class_="faint"), note=NOTE)
    columns: list[Pinned] = [("", case), *pinned]
    cases = [found for _, found in columns if isinstance(found, Case)]
    whole = max(max(c.budget.memory.total, c.budget.fit.memory) for c in cases)
    head = element(
        "tr",
        element("td", class_="label"),
        joined(_head(index, line, found) for index, (line, found) in enumerate(columns)),
    )
    rows = [
        element(
            "tr",
            element("th", label, scope="row", class_="label"),
            joined(_cell(found, write) for _, found in columns),
        )
        for label, write in _LINES.items()
    ]
    bars = element(
        "tr",
        element("th", "Peak beside the device", scope="row", class_="label"),
        joined(_cell(found, lambda c: _bar(c, whole)) for _, found in columns),
    )
    drawn = element(
        "table",
        element("thead", head),
        element("tbody", bars, joined(rows)),
        class_="comparison plans",
        style=f"--models:{len(columns)}",
    )
    return section("Plans side by side", element("div", drawn, class_="scroll"), note=NOTE)


def _head(index: int, line: str, found: Case | str) -> Markup:
    if not line and not index:
        return element("th", "In the form", scope="col")
    name = found.model_name if isinstance(found, Case) else "A plan that does not work"
    actions = element(
        "span",
        element("a", "open", href=href(line), data_plan=line),
        " · ",
        element("button", "remove", type="button", data_pin=index - 1, class_="plain-button"),
        class_="pin-actions",
    )
    return element("th", f"{index}. {name}", actions, scope="col")


def _cell(found: Case | str, write: Callable[[Case], Any]) -> Markup:
    if isinstance(found, str):
        return element("td", found if write is _model else "–", class_="faint")
    return element("td", write(found))


def _bar(case: Case, whole: float) -> Markup:
    parts = [
        bar_part(size, whole, term(name).colour, f"{term(name).title}: {gib(size)}")
        for name, size in peak_parts(case.budget.memory).items()
    ]
    limit = f"left:{100 * case.budget.fit.usable / whole:.3f}%"
    return element(
        "div",
        joined(parts),
        element("span", "", class_="bar-limit", style=limit),
        class_="bar thin",
    )


def _model(case: Case) -> str:
    return case.model_name


def _weights(case: Case) -> str:
    plan = case.plan
    held = plan.quantization if plan.is_quantized else plan.parameter_dtype
    return f"{held}, double" if plan.double_quantization else held


def _trained(case: Case) -> str:
    count, total = case.budget.resolved.trainable.total, case.budget.resolved.params.total
    return f"{count:,} ({share(count, total)})"


def _verdict(case: Case) -> Markup:
    verdict, against = case.budget.fit.verdict, case.budget.obstacles
    if against:
        return element("span", "cannot be run", title=" ".join(against))
    return joined([mark(verdict, verdict), f" {verdict}"])


def _term(name: str) -> Callable[[Case], str]:
    return lambda case: gib(case.budget.memory.terms.get(name, 0))


def _speed(case: Case) -> str:
    rate = case.budget.time.tokens_per_second
    return f"{rate:,.4g} tokens a second" if rate else "unknown"


_LINES: dict[str, Callable[[Case], Any]] = {
    "Model": _model,
    "Method": lambda case: (
        case.budget.resolved.method.name + knob_words(case) if case.trains else "none: it runs"
    ),
    "Weights": _weights,
    "Batch": lambda case: f"{case.plan.batch:,} × {case.plan.length:,} tokens",
    "Optimizer": lambda case: OPTIMIZER_NAMES[case.plan.optimizer] if case.trains else "–",
    "Checkpointing": lambda case: "on" if case.plan.checkpointing else "off",
    "Device": lambda case: f"{case.plan.devices:,} × {case.device_name}",
    "Verdict": _verdict,
    "Peak memory": lambda case: gib(case.budget.memory.total),
    "Weights, bytes": _term("weights"),
    "Activations": _term("activations"),
    "Logits and loss": _term("logits"),
    "Optimizer, bytes": _term("optimizer"),
    "Trained": _trained,
    "Speed": _speed,
    "Time": lambda case: duration(case.budget.time.seconds),
    "Tokens": lambda case: compact(case.plan.tokens) if case.trains else "–",
    "Cost": lambda case: money(case.budget.time.cost_usd),
}
