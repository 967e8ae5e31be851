"""View: the calculator asked the other way round, each answer a link to the plan that it makes."""

from collections.abc import Iterator

from markupsafe import Markup

from explorer.budget import inverse
from explorer.budget.params import count_parameters
from explorer.budget.resolve import architecture_of
from explorer.ui.budget.case import Case
from explorer.ui.budget.tables import section
from explorer.ui.cards.model import display_name
from explorer.ui.cards.values import compact, number
from explorer.ui.markup import element, joined

NOTE = (
    "Each answer changes one thing and keeps the rest of the plan. Open it to see what it looks "
    "like."
)


def view(case: Case) -> Markup:
    """The whole view."""
    rows = [
        element(
            "div",
            element("span", question, class_="question"),
            element("span", answer, class_="figure-value"),
            element("span", note, class_="faint"),
            class_="limit",
        )
        for question, answer, note in _answers(case)
    ]
    return section("How far does it go?", element("div", joined(rows), class_="limits"), note=NOTE)


def _answers(case: Case) -> Iterator[tuple[str, Markup | str, str]]:
    plan, catalogue = case.plan, case.catalogue
    here = f"on {case.device_name}"
    batch = inverse.largest_batch(plan, catalogue)
    yield f"Largest batch {here}", _number(case, "batch", batch), f"now {plan.batch:,}"
    length = inverse.longest_sequence(plan, catalogue)
    trained = case.budget.resolved.arch.max_position_embeddings
    beyond = f"; the model was made for {trained:,}" if length > trained else ""
    words = "Longest sequence" if case.trains else "Longest context"
    yield f"{words} {here}", _number(case, "length", length), f"now {plan.length:,}{beyond}"
    if case.trains and (rank := inverse.largest_rank(plan, catalogue)) is not None:
        yield f"Highest rank {here}", _rank(case, rank), _rank_now(case)
    device = inverse.smallest_device(plan, catalogue)
    yield "Smallest device for this plan", *_device(case, device)
    model = inverse.largest_model(plan, catalogue)
    yield f"Largest model {here}", *_model(case, model)


def _number(case: Case, name: str, value: int) -> Markup | str:
    return case.link(number(value), **{name: value}) if value else "not even 1"


def _rank(case: Case, rank: int) -> Markup | str:
    most = case.lines.inputs["r"].maximum
    if not rank:
        return "not even 1"
    return case.link(number(rank), r=rank) if rank <= most else number(rank)


def _rank_now(case: Case) -> str:
    now = case.budget.resolved.knobs.get("r")
    return f"now {now}" if now else ""


def _device(case: Case, found: str | None) -> tuple[Markup | str, str]:
    if found is None:
        return "none of the catalogue", "shard it over several, or change the plan"
    device = case.catalogue.device(found)
    size = f"{(device.memory_bytes.value or 0) / 2**30:.0f} GiB"
    return case.link(str(device.name.value), hardware=found), size


def _model(case: Case, found: str | None) -> tuple[Markup | str, str]:
    if found is None:
        return "none of the catalogue", ""
    count = count_parameters(architecture_of(found, case.catalogue))
    if count.total == case.budget.resolved.params.total:
        return case.model_name, "this one: no larger model of the catalogue fits"
    name = display_name(case.catalogue.model(found))
    return case.link(name, model=found, config=""), f"{compact(count.total)} parameters"
