"""What can be done with runs that are over, from plain values to plain values: page, API, MCP."""

from typing import Any

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import unknown
from explorer.lab import reproduce
from explorer.lab.bundle import KINDS
from explorer.lab.engine import Engine
from explorer.lab.history import again, find_runs, full_record
from explorer.lab.merge import merge_run
from explorer.lab.notes import write_notes
from explorer.lab.runs import find_run
from explorer.ui.downloads import download_url
from explorer.ui.errors import told


class HistoryActions:
    """The history's actions over one catalogue and one engine."""

    def __init__(self, catalogue: Catalogue, engine: Engine) -> None:
        self.catalogue = catalogue
        self.engine = engine

    @told
    def find_runs(self, query: str = "") -> list[dict[str, Any]]:
        """Runs with their measurements, notes and tags, the newest first.

        Args:
            query: words that all have to fit, such as "lora state:done tag:first"; empty for all.
        """
        return list(find_runs(query))

    @told
    def run_record(self, run: str) -> dict[str, Any]:
        """A run in full: its measurements, job, versions, notes and the check of its merge.

        Args:
            run: id of the run.
        """
        return full_record(run)

    @told
    def note_run(self, run: str, note: str, tags: str = "") -> dict[str, Any]:
        """Write a note and tags on a run, in place of those that it has.

        Args:
            run: id of the run.
            note: any text; empty removes the note.
            tags: words parted by commas or spaces.

        Returns:
            Keys note and tags, as they were kept.
        """
        words = tags.replace(",", " ").split()
        return write_notes(find_run(run), note, words).model_dump(mode="json")

    @told
    def train_again(self, run: str) -> str:
        """Queue a run with the same recipe; returns the new run's id.

        Args:
            run: id of the run to repeat.
        """
        return again(find_run(run), self.engine)

    @told
    def merge_run(self, run: str) -> dict[str, Any]:
        """Merge a run's adapter into its base and check that both say the same.

        Args:
            run: id of a run whose method merges.

        Returns:
            Keys passed, max_difference (of logits), adapter_moves, same_next_token and others.
        """
        return merge_run(find_run(run))

    @told
    def run_program(self, run: str) -> str:
        """A Python program that trains as the run did, with transformers and peft alone.

        Args:
            run: id of the run.
        """
        return reproduce.program(find_run(run), self.catalogue)

    @told
    def export_run(self, run: str, kind: str = "bundle.zip") -> str:
        """Where a file of a run is fetched, as a path beside the page's address.

        Args:
            run: id of the run.
            kind: adapter.zip, metrics.csv, program.zip, bundle.zip or merged.zip.
        """
        if kind not in KINDS:
            raise unknown("export", kind, KINDS)
        return download_url(find_run(run).id, kind)
