"""Verify a count: the worker builds the model on the meta device, transformers and peft count."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from explorer.budget.resolve import Resolved, resolve
from explorer.catalogue.errors import ExplorerError
from explorer.lab.engine import Engine
from explorer.lab.events import Failed, Progress, Report
from explorer.lab.request import CountRequest
from explorer.ui.budget.answer import knob_words
from explorer.ui.budget.case import Case
from explorer.ui.budget.endpoints import checked
from explorer.ui.budget.handlers import Handlers
from explorer.ui.budget.reading import read_plan
from explorer.ui.budget.tables import row, table
from explorer.ui.errors import told
from explorer.ui.markup import element


class Verification:
    """Counts of the calculator beside those of transformers and peft."""

    def __init__(self, engine: Engine, handlers: Handlers) -> None:
        self.engine = engine
        self.handlers = handlers

    @told
    def show(self, *values: Any) -> Iterator[Markup]:
        """Both counts as a table, and before that what is going on."""
        case = self.handlers.case(values)
        resolved = case.budget.resolved
        yield _waiting("starting the worker")
        for event in self._events(resolved):
            if isinstance(event, Progress):
                yield _waiting(event.what)
            else:
                yield _both(case, _values(event))

    @told
    def verify(self, plan: dict[str, Any]) -> dict[str, Any]:
        """Count a plan's parameters twice: by the calculator's closed forms, and by transformers.

        The worker builds the model on torch's meta device and attaches the method with peft.

        Args:
            plan: as for `budget`; of it model or config, method, r, targets and knobs matter.

        Returns:
            total and trainable, each with calculator, allocated and equal; note, seconds, versions.
        """
        catalogue = self.handlers.catalogue
        resolved = resolve(read_plan(catalogue, checked(plan)), catalogue)
        found = {"reason": "the worker ended without a count"}
        for event in self._events(resolved):
            found = _values(event) if not isinstance(event, Progress) else found
        if "reason" in found:
            raise ExplorerError(f"It could not be counted: {found['reason']}.")
        return {
            **{name: compared(ours, found[name]) for name, ours in counts(resolved).items()},
            "note": found["note"],
            "seconds": found["seconds"],
            "versions": {name: found[name] for name in ("transformers", "peft")},
        }

    def _events(self, resolved: Resolved) -> Iterator[Any]:
        return self.engine.generate(
            CountRequest(
                architecture=resolved.arch, method=resolved.method.id, knobs=resolved.plan.knobs
            )
        )


def counts(resolved: Resolved) -> dict[str, int]:
    """What the calculator counts."""
    return {"total": resolved.params.total, "trainable": resolved.trainable.total}


def compared(ours: int, allocated: int | None) -> dict[str, Any]:
    """Both numbers, and whether they are the same; None where nothing was allocated."""
    same = None if allocated is None else ours == allocated
    return {"calculator": ours, "allocated": allocated, "equal": same}


def _values(event: Any) -> Mapping[str, Any]:
    if isinstance(event, Failed):
        return {"reason": event.reason.rstrip(".")}
    assert isinstance(event, Report), event
    return event.values


def _waiting(what: str) -> Markup:
    return element("p", f"{what[:1].upper()}{what[1:]} …", class_="faint", role="status")


def _both(case: Case, found: Mapping[str, Any]) -> Markup:
    if "reason" in found:
        return element("p", f"It could not be counted: {found['reason']}.", class_="notice")
    names = {"total": "Parameters of the model", "trainable": "Trained by the method"}
    rows = [
        _row(names[name], ours, found[name], f"peft {found['peft']}")
        for name, ours in counts(case.budget.resolved).items()
    ]
    versions = f"transformers {found['transformers']} and peft {found['peft']}"
    note = f" {found['note']}" if found["note"] else ""
    plan = f"{case.model_name}, {case.budget.resolved.method.name}{knob_words(case)}"
    words = f"{plan}: built on torch's meta device in {found['seconds']:.1f} s.{note}"
    return element(
        "section",
        table(("", "Calculator", versions, ""), rows, (1, 2)),
        element("p", words, class_="faint"),
        class_="card",
        role="status",
    )


def _row(name: str, ours: int, allocated: int | None, by: str) -> Markup:
    cells: Sequence[Any]
    if allocated is None:
        cells = ("not counted", "")
    elif ours == allocated:
        agreed = element("span", element("span", "✓", class_="sign"), " equal", class_="able")
        cells = (f"{allocated:,}", agreed)
    else:
        apart = f"✕ {allocated - ours:+,} by {by}"
        cells = (f"{allocated:,}", element("span", apart, class_="unable"))
    return row(name, f"{ours:,}", *cells, numeric=(1, 2))
