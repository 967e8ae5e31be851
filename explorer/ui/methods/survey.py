"""View: the survey's five methods in one table, to read and to save."""

import csv
import io
import json

import gradio as gr

from explorer.budget.resolve import architecture_of
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.method import Method
from explorer.ui import method_list, views
from explorer.ui.cards.survey import survey_table
from explorer.ui.cards.values import number, share
from explorer.ui.endpoint import endpoint
from explorer.ui.errors import told
from explorer.ui.saving import save_buttons
from explorer.ui.tab import Page

SMALLEST = "llama-1-7b"  # what the methods' own papers fine-tune


def build(page: Page, model: gr.Dropdown, view: gr.Radio, seen: gr.State) -> None:
    """Lay the view out."""
    handlers = Handlers(page.catalogue)
    table = gr.HTML(label="The five methods of the survey")
    gr.on(
        [seen.change, model.change],
        views.when_shown("survey", handlers.table), [view, model], table,
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    save_buttons({"csv": "Save as CSV", "json": "Save as JSON"}, handlers.export, [model])
    endpoint(handlers.survey_methods)


class Handlers:
    """What the view answers with, over one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @told
    def table(self, model: str) -> str:
        """The table, counted on this model."""
        return survey_table(self._methods(), self.survey_methods(model))

    @told
    def survey_methods(self, model: str = SMALLEST) -> list[dict]:
        """The survey's five methods side by side: what acts where, what trains, what it costs.

        Args:
            model: id of the model that the parameters are counted on.
        """
        arch = architecture_of(model, self.catalogue)
        return [aspects(arch, method) for method in self._methods()]

    @told
    def export(self, kind: str, model: str) -> tuple[str, str]:
        """The table as CSV or JSON, and a name for the file."""
        rows = self.survey_methods(model)
        name = f"survey-methods-{model}.{kind}"
        if kind == "json":
            return json.dumps(rows, indent=2, ensure_ascii=False), name
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue(), name

    def _methods(self) -> list[Method]:
        return [self.catalogue.method(name) for name in method_list.SURVEY]


def aspects(arch: Architecture, method: Method) -> dict[str, str]:
    """One method's column, by aspect."""
    counted = method_list.counted(arch, method)
    known = not isinstance(counted, str)
    return {
        "Method": method.name,
        "Family": method.family,
        "Idea": method.idea.split(". ")[0].rstrip(".") + ".",
        "Acts on": ", ".join(method.sites) or "attention of the upper layers"
        if method.family == "attention adapter" or method.sites
        else "",
        "At the start": method.initialisation,
        "Starts as the base": "yes" if method.starts_as_base else "no",
        "Trainable parameters": number(counted.total) if known else counted,
        "Share of the model": share(counted.percent, 100) if known else "",
        "Formula": method.trainable.formula,
        "What is saved": method.saved,
        "Extra latency": method.extra_latency,
        "Merges into the base": "yes" if method.merges else "no",
        "Works on a 4-bit base": "yes" if method.works_on_4bit else "no",
        "Paper": f"{method.paper.title}, {method.paper.year}" if method.paper else "",
        "Link": str(method.paper.url) if method.paper else "",
    }
