"""View: arithmetic, time, energy and money of a plan, and the same on every device."""

from collections.abc import Iterator
from dataclasses import replace

from markupsafe import Markup

from explorer.budget.exchange import Exchange
from explorer.budget.export import gib
from explorer.budget.fit import fit_of
from explorer.budget.flops import Flops
from explorer.budget.memory import framework_bytes
from explorer.budget.plan import Plan
from explorer.budget.time import POWER_SHARE, Time, time_of
from explorer.catalogue.hardware import Hardware
from explorer.ui.budget.case import Case, duration, money
from explorer.ui.budget.tables import row, section, table
from explorer.ui.budget.verdicts import mark
from explorer.ui.cards.values import flops, number
from explorer.ui.markup import element, joined

TRAINING_FLOPS = {
    "forward": "2 · rows · columns for each token and matrix, and the scores of attention",
    "backward": "gradients of activations down to the first trained layer, and of trained weights",
    "recompute": "each layer's forward again, for checkpointing",
    "attention": "of these, scores and weighted values: 4 · tokens · length · width a layer",
    "idle": "besides: experts that a token was not sent to, which transformers runs as well",
    "per_token": "a micro-batch by its tokens",
    "total": "for all tokens of the training",
}
INFERENCE_FLOPS = {
    "forward": "reading the prompt",
    "attention": "of these, scores and weighted values",
    "idle": "besides: experts that a token was not sent to, which transformers runs as well",
    "per_token": "writing one token at the full context",
    "total": "a whole answer",
}
TITLES = {
    "forward": "Forward",
    "backward": "Backward",
    "recompute": "Recomputation",
    "attention": "Attention",
    "idle": "Idle experts",
    "per_token": "A token",
    "total": "In all",
}


def view(case: Case) -> Markup:
    """The whole view."""
    return joined([_time(case), _flops(case), _devices(case)])


def _time(case: Case) -> Markup:
    time, plan = case.budget.time, case.plan
    if time.seconds is None:
        return section("Time and cost", note=f"Unknown: {time.note}.")
    rows = [row(*cells) for cells in _time_rows(case, time)]
    what = "arithmetic" if case.trains else "memory bandwidth"
    note = (
        f"A roofline: the slower of arithmetic and memory, at {100 * time.efficiency:.0f} % of the "
        f"device's rated {what}. Here {time.bound} decides. "
        + ("" if plan.efficiency else "The share is what published runs reach; set your own.")
    )
    words = _exchange_words(time.exchange)
    return section("Time and cost", table(("", "", "How"), rows), words, note=note)


def _time_rows(case: Case, time: Time) -> Iterator[tuple[str, str, str]]:
    plan = case.plan
    if case.trains:
        each = f"{plan.batch:,} × {plan.length:,} tokens, {_times(plan)}"
        yield "A step", duration(time.step_seconds), each
        if time.exchange.bytes:
            yield "Exchange", *_exchanged(time.exchange)
        speed = f"{time.tokens_per_second or 0:,.0f} tokens a second"
        yield "Speed", speed, "tokens of all devices by their time"
        yield "The training", duration(time.seconds), f"{plan.tokens:,} tokens"
    else:
        prompt = plan.prompt or max(1, plan.length // 2)
        yield "Reading the prompt", duration(time.prefill_seconds), f"{plan.batch:,} × {prompt:,}"
        each = f"{time.tokens_per_second or 0:,.4g} tokens a second, each sequence"
        yield "Writing", each, "weights and half of the cache read for each token"
        if plan.batch * plan.devices > 1:
            together = f"{time.tokens_per_second_together or 0:,.4g} tokens a second"
            yield "Together", together, f"{_counted(plan.batch * plan.devices, 'sequence')} at once"
        yield "The answer", duration(time.seconds), f"{plan.length - prompt:,} tokens after it"
    hours = time.device_hours or 0
    yield "Device hours", f"{hours:,.4g} h", _counted(plan.devices, "device")
    if time.energy_kwh is not None:
        yield (
            "Energy",
            f"{time.energy_kwh:,.4g} kWh",
            f"device hours · {100 * POWER_SHARE:.0f} % of the rated power",
        )
    if time.co2_kg is not None:
        grid = f"{plan.grid_intensity:g} kg CO₂e a kWh"
        yield "Emissions", f"{time.co2_kg:,.3g} kg CO₂e", grid
    yield "Cost", money(time.cost_usd), _price_words(case)


def _exchanged(exchange: Exchange) -> tuple[str, str]:
    """Bytes and seconds of a step's exchange, and what of it shows."""
    told = f"{gib(exchange.bytes)} a step"
    if exchange.bandwidth is None:
        return told, "of each device; no time is known for it"
    hidden = f"{duration(exchange.exposed)} of it waited for" if exchange.exposed else "all hidden"
    rate = f"{exchange.bandwidth / 1e9:,.4g} GB/s"
    return f"{told}, {duration(exchange.seconds)}", f"at {rate}; {hidden}"


def _exchange_words(exchange: Exchange) -> Markup | None:
    """The volume with its numbers, and the assumptions behind its time."""
    if not exchange.bytes:
        return None
    words = f"Exchange: {exchange.formula} = {exchange.filled} bytes; {exchange.note}."
    return element("p", words, class_="faint")


def _times(plan: Plan) -> str:
    parts = [_counted(plan.accumulation, "micro-batch"), _counted(plan.devices, "device")]
    return " on ".join(parts)


def _counted(number: int, what: str) -> str:
    plural = "es" if what.endswith("ch") else "s"
    return f"{number:,} {what}{'' if number == 1 else plural}"


def _price_words(case: Case) -> str:
    fact = case.budget.resolved.hardware.price_per_hour_usd
    if case.plan.price_per_hour is not None:
        return f"your ${case.plan.price_per_hour:,.2f} an hour"
    if fact.value is None:
        return fact.note or "give a price in the form"
    return f"${fact.value:,.2f} an hour{f': {fact.note}' if fact.note else ''}"


def _flops(case: Case) -> Markup:
    counted: Flops = case.budget.flops
    words = TRAINING_FLOPS if case.trains else INFERENCE_FLOPS
    rows = [
        row(TITLES[name], flops(value), number(int(value)), meaning, numeric=(1, 2))
        for name, meaning in words.items()
        if (value := getattr(counted, name))
    ]
    return section(
        "Arithmetic",
        table(("", "", "Operations", "What"), rows, (1, 2), "arithmetic"),
        note="Of one micro-batch unless said. Frozen weights need no weight gradient.",
    )


def _devices(case: Case) -> Markup:
    found = [_on(case, device) for device in case.catalogue.hardware.values()]
    found.sort(key=lambda pair: (pair[1].seconds is None, pair[1].seconds or 0))
    rows = [_device_row(case, device, time) for device, time in found]
    heads = ("Device", "", "Tokens a second", "Time", "An hour", "Cost")
    return section("The same plan on every device", table(heads, rows, (2, 3, 4, 5)))


def _on(case: Case, device: Hardware) -> tuple[Hardware, Time]:
    budget = case.budget
    own = device.id == case.plan.hardware
    values = {"hardware": device.id} | ({} if own else {"price_per_hour": None})
    resolved = replace(budget.resolved, plan=case.plan.with_values(**values), hardware=device)
    return device, time_of(resolved, budget.flops, budget.memory)


def _device_row(case: Case, device: Hardware, time: Time) -> Markup:
    memory = case.budget.memory
    total = memory.allocated + framework_bytes(device.kind)
    verdict = fit_of(total, device).verdict
    own = device.id == case.plan.hardware
    price = case.plan.price_per_hour if own else None
    price = device.price_per_hour_usd.value if price is None else price
    name = device.name.value or device.id
    return row(
        case.link(name, hardware=device.id, price_per_hour=None) if not own else name,
        mark(verdict, f"{name}: {verdict}, {gib(total)}"),
        f"{time.tokens_per_second:,.0f}" if time.tokens_per_second else "–",
        duration(time.seconds) if time.seconds else "–",
        f"${price:,.2f}" if price is not None else "–",
        money(time.cost_usd) if time.cost_usd is not None else "–",
        numeric=(2, 3, 4, 5),
        class_="own" if own else ("out" if verdict == "does not fit" else None),
    )
