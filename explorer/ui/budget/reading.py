"""From the form's values to a plan: what is left to the method, what is typed as text."""

from collections.abc import Mapping
from typing import Any

from explorer.budget.plan import Plan, make_plan
from explorer.budget.resolve import recipe_values
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.config import architecture_from_text
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.catalogue.hardware import Hardware
from explorer.catalogue.knob import ALL_LINEAR
from explorer.catalogue.method import Method
from explorer.ui import settings

AUTO = "auto"  # what the method's recipe asks for, or the plan's own default
OWN_CONFIG = "your config.json"
FORM_ONLY = ("config", "r", "targets")
REQUIRED = {
    "batch": "Batch",
    "length": "Tokens a sequence",
    "accumulation": "Gradient accumulation",
    "tokens": "Tokens in the whole training",
    "loss_chunk": "Fused head and loss",
    "devices": "Devices",
    "grid_intensity": "Grid",
}


def sites_knob(method: Method) -> str | None:
    """The name of the knob that says which linears a method acts on."""
    return next((name for name, knob in method.knobs.items() if knob.type == "sites"), None)


def read_plan(catalogue: Catalogue, given: Mapping[str, Any]) -> Plan:
    """The plan that the form's values (or an endpoint's, under the same names) describe.

    Names are those of `Plan`, besides `r`, `targets` and `config` (a config.json as text). "auto"
    and what is not given come from the method's recipe. ExplorerError says what is wrong.
    """
    known = {*Plan.model_fields, *FORM_ONLY} - {"architecture"}
    for name in given:
        if name not in known:
            raise unknown("plan setting", name, sorted(known))
    method = catalogue.method(str(given.get("method") or "lora"))
    hardware = catalogue.device(str(given.get("hardware") or Plan.model_fields["hardware"].default))
    for name, label in REQUIRED.items():
        if name in given and given[name] is None:
            raise ExplorerError(f"{label} ({name}) is empty; it takes a number.")
    values = {
        name: value
        for name, value in given.items()
        if name not in FORM_ONLY and value not in (None, "", AUTO)
    }
    values = _typed(values)
    values |= {"knobs": knobs_of(method, given), "method": method.id}
    values = _with_recipe(values, method, hardware)
    if values.get("quantization") not in ("nf4", "fp4"):
        values["double_quantization"] = False
    if values.get("mode") == "inference":  # every device runs a copy
        values.pop("sharding", None)
    text = str(given.get("config") or "").strip()
    if text:
        values |= {"architecture": architecture_from_text(text), "model": OWN_CONFIG}
    if not values.get("model"):
        raise ExplorerError("The plan names no model: give model, or config.")
    return make_plan(**values)


def _with_recipe(values: dict[str, Any], method: Method, hardware: Hardware) -> dict[str, Any]:
    """The values, and from the method's recipe what they leave to it."""
    recipe = recipe_values(method, hardware, values.get("mode", "training"))
    if "quantization" in values:  # an explicit one stands alone
        recipe.pop("double_quantization", None)
    elif not values.get("double_quantization"):  # a box that is not ticked is no wish
        values = {k: v for k, v in values.items() if k != "double_quantization"}
    return recipe | values


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    """Values of dropdowns and texts as the plan wants them."""
    if values.get("checkpointing") in ("true", "false"):
        values["checkpointing"] = values["checkpointing"] == "true"
    if "quantization_block" in values:
        text = str(values["quantization_block"])
        values["quantization_block"] = int(text) if text.isdigit() else text
    if isinstance(values.get("skipped_modules"), str):
        names = (part.strip() for part in values["skipped_modules"].split(","))
        values["skipped_modules"] = tuple(filter(None, names))
    return values


def knobs_of(method: Method, given: Mapping[str, Any]) -> dict[str, Any]:
    """The method's knobs: r and target modules from their fields, the rest from the text.

    In the text a name may carry a method's id (`lora.r=16`); those of other methods are left out.
    """
    knobs: dict[str, Any] = {}
    if given.get("r") and "r" in method.knobs:
        knobs["r"] = given["r"]
    sites = sites_knob(method)
    if given.get("targets") and sites:
        named = given["targets"]
        knobs[sites] = ALL_LINEAR if ALL_LINEAR in named else tuple(named)
    raw = given.get("knobs") or {}
    for name, value in (raw if isinstance(raw, Mapping) else settings.read(str(raw))).items():
        owner, dot, own = name.rpartition(".")
        if dot and owner != method.id:
            continue
        knobs[own] = value
    method.read_knobs(knobs)
    return knobs


def form_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a plan as the form holds them."""
    changes = dict(values)
    if "checkpointing" in changes:
        changes["checkpointing"] = "true" if changes["checkpointing"] else "false"
    if "knobs" in changes:
        knobs = dict(changes["knobs"])
        changes["r"] = knobs.pop("r", 0)
        changes["targets"] = list(knobs.pop("target_modules", ()))
        changes["knobs"] = settings.write(knobs)
    return changes
