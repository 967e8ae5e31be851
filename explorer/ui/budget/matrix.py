"""View: methods of a model, or models with a method, against every device."""

import re
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

from explorer.budget.export import gib
from explorer.budget.matrix import Row, method_rows, model_rows
from explorer.budget.plan import Plan
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.hardware import Hardware
from explorer.ui import method_list, models_table
from explorer.ui.budget.case import Case
from explorer.ui.budget.reading import AUTO, recipe_on
from explorer.ui.budget.tables import section
from explorer.ui.budget.verdicts import CLASSES, SIGNS, legend
from explorer.ui.cards.model import display_name
from explorer.ui.cards.values import compact
from explorer.ui.markup import element, joined

ROWS = {"methods": "Methods on this model", "models": "Models with this method"}
KINDS = {
    "consumer": "consumer",
    "workstation": "workstation",
    "data centre": "data centre",
    "apple": "Apple",
    "cpu": "CPU hosts",
}
MEMORY_IN_NAME = re.compile(r" \(.*\)|,? \d+ ?GB| Generation")  # it stands below each name
FIRST_KINDS = ["consumer", "workstation", "data centre"]


def rows_of(plan: Plan, catalogue: Catalogue, what: str, recipes: bool) -> list[Row]:
    """The matrix's rows; with `recipes` a method that has one is held as it asks."""
    if what == "models":
        return _ordered(
            model_rows(plan, catalogue), [m.id for m in models_table.ordered(catalogue)]
        )
    if not recipes:
        plain = plan
    else:  # what the plan's own method asks for is no wish for the others
        plain = plan.with_values(quantization="none", double_quantization=False)
    found = {row.method: row for row in method_rows(plain, catalogue)}
    if recipes:
        for method in catalogue.methods.values():
            asked = recipe_on(method, catalogue.device(plan.hardware))
            if asked:
                held = plan.with_values(**asked)
                found |= {
                    r.method: r for r in method_rows(held, catalogue) if r.method == method.id
                }
    order = [m.id for m in method_list.ordered(catalogue)]
    return sorted(found.values(), key=lambda row: order.index(row.method))


def _ordered(rows: Iterable[Row], order: list[str]) -> list[Row]:
    return sorted(rows, key=lambda row: order.index(row.model))


def follows_recipes(values: Any) -> bool:
    """Whether the form leaves the quantization to the method."""
    return values.get("quantization", AUTO) in (AUTO, "", None)


def devices_of(catalogue: Catalogue, kinds: Iterable[str]) -> list[Hardware]:
    """Devices of these kinds (all, if none is named), from little memory to much."""
    wanted = set(kinds)
    found = [d for d in catalogue.hardware.values() if not wanted or d.kind in wanted]
    return sorted(found, key=lambda d: (d.memory_bytes.value or 0, d.name.value or ""))


def view(case: Case, what: str, kinds: list[str]) -> Markup:
    """The whole view."""
    devices = devices_of(case.catalogue, kinds)
    rows = rows_of(case.plan, case.catalogue, what, follows_recipes(case.values))
    head = element(
        "tr",
        element("th", ROWS[what].split()[0][:-1], scope="col", class_="corner"),
        element("th", "Trains", scope="col", class_="num"),
        element("th", "Peak", scope="col", class_="num"),
        joined(_device_head(device, case.plan.hardware) for device in devices),
    )
    body = joined(_row(case, row, what, devices) for row in rows)
    drawn = element(
        "table", element("thead", head), element("tbody", body), class_="plain matrix verdicts"
    )
    subject = case.model_name if what == "methods" else case.budget.resolved.method.name
    return section(
        None,
        legend(),
        element("div", drawn, class_="scroll tall", tabindex=0),
        note=f"{subject}, batch {case.plan.batch:,} × {case.plan.length:,} tokens, one device, "
        + (
            "each method with its own knobs and, where it has one, its recipe."
            if what == "methods"
            else "as in the form. A row opens as a plan."
        ),
    )


def _device_head(device: Hardware, own: str) -> Markup:
    name = str(device.name.value)
    for maker in ("NVIDIA GeForce ", "NVIDIA ", "AMD Instinct ", "AMD ", "Apple ", "Intel "):
        name = name.removeprefix(maker)
    name = MEMORY_IN_NAME.sub("", name)
    size = f"{(device.memory_bytes.value or 0) / 2**30:.0f}"
    return element(
        "th",
        element("span", name, class_="upright"),
        element("span", size, class_="size"),
        scope="col",
        class_="device own" if device.id == own else "device",
        title=f"{device.name.value}, {size} GiB",
    )


def _row(case: Case, row: Row, what: str, devices: list[Hardware]) -> Markup:
    if what == "methods":
        name = case.catalogue.method(row.method).name
        own, changes = row.method == case.plan.method, {"method": row.method, "knobs": ""}
        changes |= {} if own else {"r": 0, "targets": []}
    else:
        name = display_name(case.catalogue.model(row.model))
        own, changes = row.model == case.plan.model, {"model": row.model, "config": ""}
    head = element("th", case.link(name, class_="row-link", **changes), scope="row")
    if row.total is None:
        why = element("td", row.reason, colspan=2 + len(devices), class_="faint reason")
        return element("tr", head, why)
    cells = (_cell(name, row, device, case.plan.hardware) for device in devices)
    return element(
        "tr",
        head,
        element("td", compact(row.trainable or 0), class_="num", title=f"{row.trainable:,}"),
        element("td", gib(row.total), class_="num"),
        joined(cells),
        class_="own" if own else None,
    )


def _cell(name: str, row: Row, device: Hardware, own: str) -> Markup:
    verdict = row.verdicts[device.id]
    return element(
        "td",
        element("span", SIGNS[verdict], aria_label=verdict, role="img"),
        class_=f"verdict-cell {CLASSES[verdict]}{' own' if device.id == own else ''}",
        title=f"{name} on {device.name.value}: {verdict}",
    )
