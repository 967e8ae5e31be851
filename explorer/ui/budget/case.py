"""What every view is drawn from: a plan, its budget, and how to link to a plan beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from markupsafe import Markup

from explorer.budget.forecast import Budget, forecast
from explorer.budget.memory import Memory
from explorer.budget.plan import Plan
from explorer.catalogue.catalogue import Catalogue
from explorer.ui.budget.links import PlanLines, href
from explorer.ui.budget.reading import read_plan
from explorer.ui.cards.model import display_name
from explorer.ui.markup import element

# What a peak is made of all through a step; the rest comes and goes.
HELD = (
    "weights",
    "adapter",
    "adapter_frozen",
    "optimizer",
    "master_copies",
    "communication",
    "kv_cache",
    "framework",
)


@dataclass(frozen=True)
class Case:
    """A plan as the form holds it (`values`, by URL name) with its budget."""

    catalogue: Catalogue
    lines: PlanLines
    values: Mapping[str, Any]
    budget: Budget

    @classmethod
    def read(cls, catalogue: Catalogue, lines: PlanLines, values: Mapping[str, Any]) -> "Case":
        """The case of the form's values. ExplorerError says what is wrong with them."""
        return cls(catalogue, lines, values, forecast(read_plan(catalogue, values), catalogue))

    @property
    def plan(self) -> Plan:
        """The plan, all of its values decided."""
        return self.budget.plan

    @property
    def trains(self) -> bool:
        """Whether this is about training."""
        return self.plan.mode == "training"

    @cached_property
    def model_name(self) -> str:
        """The model's name for a reader."""
        if self.plan.architecture is not None:
            return "Your config"
        return display_name(self.catalogue.model(self.plan.model))

    @property
    def device_name(self) -> str:
        """The device's name for a reader."""
        return str(self.budget.resolved.hardware.name.value)

    def link(self, words: Any, class_: str = "apply", **changes: Any) -> Markup:
        """A link to this plan with some values changed."""
        line = self.lines.write(self.values, **changes)
        return element("a", words, href=href(line), data_plan=line, class_=class_)


def duration(seconds: float | None) -> str:
    """Seconds as people say them."""
    if seconds is None:
        return "unknown"
    for unit, name in ((86_400 * 365.25, "years"), (86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 1.5 * unit:
            return f"{seconds / unit:,.3g} {name}" if seconds < 1000 * unit else (
                f"{seconds / unit:,.0f} {name}"
            )  # fmt: skip
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1000:.3g} ms"


def money(dollars: float | None) -> str:
    """US dollars."""
    if dollars is None:
        return "no price known"
    if 0 < dollars < 0.01:
        return "under $0.01"
    return f"${dollars:,.2f}" if dollars < 10_000 else f"${dollars:,.0f}"


def peak_parts(memory: Memory) -> dict[str, int]:
    """The peak by part: what is held all along, and what is alive besides at the worst moment."""
    held = {name: memory.terms[name] for name in HELD if name in memory.terms}
    framework = held.pop("framework", 0)
    return held | {
        "moving": memory.total - sum(held.values()) - framework,
        "framework": framework,
    }
