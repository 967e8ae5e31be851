"""View: methods of a model, or models with a method, against every device."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup

from explorer.budget.export import gib
from explorer.budget.matrix import Row, model_rows, plan_rows
from explorer.budget.plan import OWN_WEIGHTS, Plan
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.hardware import Hardware
from explorer.ui import method_list, models_table
from explorer.ui.budget.case import Case
from explorer.ui.budget.reading import read_plan
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


def rows_of(values: Mapping[str, Any], catalogue: Catalogue, what: str) -> list[Row]:
    """The matrix's rows: of each method or model what the form says once it is chosen."""
    plan = read_plan(catalogue, values)
    if what == "models":
        rows = {row.model: row for row in model_rows(plan, catalogue)}
        return [rows[m.id] for m in models_table.ordered(catalogue) if m.id in rows]
    changed = (values | of_method(m.id, plan) for m in method_list.ordered(catalogue))
    return plan_rows([read_plan(catalogue, form) for form in changed], catalogue)


def of_method(method: str, plan: Plan) -> dict[str, Any]:
    """What changes in the form when `method` is chosen in place of the plan's own."""
    if method == plan.method:
        return {}
    changes = {"method": method, "knobs": "", "r": 0, "targets": []}
    if method in OWN_WEIGHTS and plan.is_quantized:  # those do not train
        changes |= {"quantization": "none", "double_quantization": False}
    return changes


def devices_of(catalogue: Catalogue, kinds: Iterable[str]) -> list[Hardware]:
    """Devices of these kinds (all, if none is named), from little memory to much."""
    wanted = set(kinds)
    found = [d for d in catalogue.hardware.values() if not wanted or d.kind in wanted]
    return sorted(found, key=lambda d: (d.memory_bytes.value or 0, d.name.value or ""))


def view(case: Case, what: str, kinds: list[str]) -> Markup:
    """The whole view."""
    devices = devices_of(case.catalogue, kinds)
    rows = rows_of(case.values, case.catalogue, what)
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
    each = f"each of {case.plan.devices:,} devices" if case.plan.devices > 1 else "one device"
    subject = case.model_name if what == "methods" else case.budget.resolved.method.name
    return section(
        None,
        legend(),
        element("div", drawn, class_="scroll tall", tabindex=0),
        note=f"{subject}, batch {case.plan.batch:,} × {case.plan.length:,} tokens, {each}, "
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
        own, changes = row.method == case.plan.method, of_method(row.method, case.plan)
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
