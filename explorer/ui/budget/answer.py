"""The answer: does it fit, how much of the device it takes, what trains, how long, what cost."""

from collections.abc import Iterator

from markupsafe import Markup

from explorer.budget.advice import Suggestion, suggestions
from explorer.budget.export import gib
from explorer.budget.fit import TIGHT
from explorer.budget.plan import BYTES
from explorer.figures.budget import term
from explorer.figures.theme import Colour
from explorer.ui.budget.case import Case, duration, money, peak_parts
from explorer.ui.budget.form import OPTIMIZER_NAMES
from explorer.ui.budget.reading import form_values
from explorer.ui.budget.verdicts import CLASSES, SIGNS
from explorer.ui.cards.values import compact, share
from explorer.ui.markup import element, joined

WORDS = {"fits": "Fits", "tight": "Tight, but fits", "does not fit": "Does not fit"}
MOVING = "alive at the peak: activations, gradients, logits"


def answer(case: Case) -> Markup:
    """The whole answer as a card."""
    return element(
        "section",
        element("p", *_plan_words(case), class_="plan-words"),
        _verdict(case),
        _bar(case),
        element("div", *_figures(case), class_="figures"),
        _ways(case),
        _notes(case),
        class_="card budget-answer",
        aria_live="polite",
    )


def mistake(sentence: str) -> Markup:
    """What is wrong with the plan, in the answer's place."""
    return element(
        "section",
        element("p", element("span", "!", class_="sign", aria_hidden="true"), " ", sentence),
        class_="card budget-answer wrong",
        role="alert",
    )


def swatch(colour: Colour) -> Markup:
    """A small square in a colour of the figures, in light and in dark."""
    style = f"--light:{colour.light};--dark:{colour.dark}"
    return element("span", "", class_="swatch", style=style, aria_hidden="true")


def bar_part(size: float, whole: float, colour: Colour, words: str) -> Markup:
    """A part of a bar, as wide as its share of the whole."""
    style = f"width:{100 * size / whole:.3f}%;--light:{colour.light};--dark:{colour.dark}"
    return element("span", "", class_="bar-part", style=style, title=words)


def _plan_words(case: Case) -> Iterator[Markup | str]:
    plan, resolved = case.plan, case.budget.resolved
    yield element("strong", case.model_name)
    if case.trains:
        yield f" · {resolved.method.name}{knob_words(case)}"
    held = plan.quantization.upper() if plan.is_quantized else plan.parameter_dtype
    yield f" · {held}{' with double quantization' if plan.double_quantization else ''} weights"
    yield f" · batch {plan.batch:,} × {plan.length:,} tokens"
    if case.trains:
        yield f" · {OPTIMIZER_NAMES[plan.optimizer]}"
        yield " · checkpointing" if plan.checkpointing else ""
    if plan.devices > 1:
        how = plan.sharding if case.trains else "a copy on each"
        yield f" · {plan.devices:,} devices, {how}"


def knob_words(case: Case) -> str:
    knobs = case.budget.resolved.knobs
    rank = f" r = {knobs['r']}" if knobs.get("r") else ""
    sites = knobs.get("target_modules")
    return rank + (f" on {', '.join(sites)}" if sites else "")


def _verdict(case: Case) -> Markup:
    fit, memory = case.budget.fit, case.budget.memory
    device = case.device_name
    against = case.budget.obstacles
    sign, class_ = ("!", "no") if against else (SIGNS[fit.verdict], CLASSES[fit.verdict])
    each = f"each of {case.plan.devices:,} × " if case.plan.devices > 1 else "one "
    if fit.fits:
        rest = f"{gib(fit.free)} of {gib(fit.usable)} usable memory stay free"
    else:
        rest = f"{gib(-fit.free)} more than its {gib(fit.usable)} usable memory"
    return element(
        "div",
        element("span", sign, class_="sign", aria_hidden="true"),
        element(
            "div",
            element(
                "h2", "Cannot be run" if against else f"{WORDS[fit.verdict]} on {each}{device}"
            ),
            joined(element("p", why) for why in against),
            element("p", f"{gib(memory.total)} at the peak; {rest}."),
        ),
        class_=f"verdict {class_}",
    )


def _bar(case: Case) -> Markup:
    budget = case.budget
    whole = max(budget.memory.total, budget.fit.memory)
    parts = [
        bar_part(size, whole, term(name).colour, f"{term(name).title}: {gib(size)}")
        for name, size in peak_parts(budget.memory).items()
        if size > 0
    ]
    limit = 100 * budget.fit.usable / whole
    edge = 100 * budget.fit.memory / whole
    return element(
        "div",
        element(
            "div",
            joined(parts),
            element("span", "", class_="bar-edge", style=f"width:{edge:.3f}%"),
            element("span", "", class_="bar-limit", style=f"left:{limit:.3f}%"),
            class_="bar",
            role="img",
            aria_label=f"{gib(budget.memory.total)} of {gib(budget.fit.usable)} usable",
        ),
        element("div", joined(_legend(case)), class_="legend"),
        class_="bar-box",
    )


def _legend(case: Case) -> Iterator[Markup]:
    whole = case.budget.memory.total
    for name, size in peak_parts(case.budget.memory).items():
        if size >= 0.004 * whole:
            shown = term(name)
            yield element(
                "span",
                swatch(shown.colour),
                f" {shown.title} ",
                element("b", gib(size)),
                title=MOVING if name == "moving" else None,
            )
    yield element(
        "span", element("span", "", class_="limit-mark", aria_hidden="true"), " usable ",
        element("b", gib(case.budget.fit.usable)),
        title=f"of {gib(case.budget.fit.memory)}: the rest is the driver's and the system's. "
        f"Over {100 * TIGHT:.0f} % of it counts as tight.",
    )  # fmt: skip


def _figures(case: Case) -> Iterator[Markup]:
    budget, plan = case.budget, case.plan
    count, total = budget.resolved.trainable, budget.resolved.params.total
    if case.trains:
        shared = f"trainable parameters, {share(count.total, total)}"
        about = "" if count.exact else "≈ "
        yield figure(f"{about}{count.total:,}", shared, _count_source(case))
    else:
        yield figure(f"{total:,}", "parameters", "Equal to transformers' num_parameters().")
    yield figure(gib(budget.memory.total), "peak memory a device", _memory_source(case))
    time = budget.time
    what = f"for {compact(plan.tokens)} tokens" if case.trains else "for a whole answer"
    yield figure(duration(time.seconds), f"time {what}", _time_source(case))
    if case.trains:
        yield figure(money(time.cost_usd), f"cost {what}", _cost_source(case))
    elif time.tokens_per_second:
        yield figure(
            f"{time.tokens_per_second:,.4g}", "tokens a second, each sequence", _time_source(case)
        )


def figure(value: str, label: str, source: str) -> Markup:
    """A number with its label, and how it comes about in a box on hover and focus."""
    return element(
        "div",
        element(
            "span",
            element("span", value, class_="figure-value sourced", tabindex=0),
            element("span", element("span", source), class_="tip", role="tooltip"),
            class_="with-source",
        ),
        element("span", label, class_="figure-label"),
        class_="figure",
    )


def _count_source(case: Case) -> str:
    resolved = case.budget.resolved
    parts = " + ".join(f"{name} {n:,}" for name, n in resolved.trainable.by_site.items())
    formula = resolved.method.trainable.formula
    return f"{resolved.method.name}: {formula}. Here: {parts or resolved.trainable.total}."


def _memory_source(case: Case) -> str:
    memory = case.budget.memory
    framework = gib(memory.terms.get("framework", 0))
    return (
        f"{gib(memory.allocated)} that an allocator would report, and an allowance of {framework} "
        "for driver and libraries. The Memory view has every term with its formula."
    )


def _time_source(case: Case) -> str:
    time = case.budget.time
    if time.note:
        return time.note
    which = "arithmetic" if case.trains else "bandwidth"
    return (
        f"A roofline bound by {time.bound}, at {100 * time.efficiency:.0f} % of the rated {which}; "
        "the Speed view has the steps."
    )


def _cost_source(case: Case) -> str:
    plan, hardware = case.plan, case.budget.resolved.hardware
    price = plan.price_per_hour
    if price is None:
        price = hardware.price_per_hour_usd.value
    if price is None:
        return hardware.price_per_hour_usd.note or "No hourly price known: give one in the form."
    hours = case.budget.time.device_hours or 0
    whose = "yours" if plan.price_per_hour is not None else "the catalogue's, dated"
    return f"{hours:,.4g} device hours · ${price:,.2f} an hour ({whose})."


def _ways(case: Case) -> Markup | None:
    if case.budget.fit.fits:
        return None
    found = suggestions(case.plan, case.catalogue)
    if not found:
        return element("p", "No change, pair or triple of changes makes it fit.", class_="notice")
    return element(
        "div",
        element("h3", "What makes it fit, the cheapest first"),
        element("ol", joined(_way(case, way) for way in found)),
        class_="ways",
    )


def _way(case: Case, way: Suggestion) -> Markup:
    words = " + ".join(change.what for change in way.changes)
    values = {name: value for change in way.changes for name, value in change.values.items()}
    costs = []
    if way.slower is not None:
        same = abs(way.slower - 1) <= 0.005
        costs.append("as fast" if same else f"{way.slower:.2f} × the time")
    costs += [change.cost for change in way.changes]
    return element(
        "li",
        case.link(words, **form_values(values)),
        element("span", f" → {gib(way.total)}; {'; '.join(costs)}", class_="faint"),
    )


def _notes(case: Case) -> Markup | None:
    resolved = case.budget.resolved
    told = [note for note in case.budget.notes if note not in case.budget.obstacles]
    wide = BYTES[case.plan.adapter_dtype] > 2 and not resolved.trains_own_weights
    if wide and resolved.trainable.total > 10**9:
        told.append("The adapter is held in float32, as peft does unless told otherwise.")
    if not told:
        return None
    return element("ul", joined(element("li", note) for note in told), class_="faint notes")
