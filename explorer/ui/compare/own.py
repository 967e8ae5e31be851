"""Adapters that a visitor brings: taken in, tried once on their base, listed, deleted."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from markupsafe import Markup

from explorer.catalogue.errors import ExplorerError, UnknownNameError
from explorer.lab.events import Failed, Progress, SelfCheck
from explorer.lab.own_adapters.hub import fetch_adapter
from explorer.lab.own_adapters.store import (
    OwnAdapter,
    delete_adapter,
    keep_adapter,
    list_adapters,
)
from explorer.lab.question import ask_runs
from explorer.ui.compare_actions import CompareActions
from explorer.ui.errors import told
from explorer.ui.markup import element

TRIAL = "Hello."


class AdapterActions:
    """Adapters of one's own over the comparison's actions."""

    def __init__(self, actions: CompareActions) -> None:
        self.actions = actions

    @told
    def fetch_adapter(self, repository: str, base: str = "") -> dict[str, Any]:
        """Fetch a peft adapter from the Hugging Face hub, check it and try it on its base.

        Args:
            repository: its id, owner/name; safetensors only, no token is used.
            base: id of the base it shall act on; empty takes the one that it names.

        Returns:
            id (to compare with), name, method, base, parameters.
        """
        kept = fetch_adapter(repository, self.actions.catalogue, base)
        for _ in self._tried(kept):
            pass
        return {"id": kept.id, **kept.about.model_dump()}

    @told
    def list_adapters(self) -> list[dict[str, Any]]:
        """The adapters that were brought along, the newest first.

        Returns:
            For each id, name, method, base, parameters.
        """
        return [{"id": one.id, **one.about.model_dump()} for one in list_adapters()]

    @told
    def delete_adapter(self, adapter: str) -> str:
        """Delete an adapter that was brought along.

        Args:
            adapter: its id.

        Returns:
            The id.
        """
        delete_adapter(adapter)
        return adapter

    def take(
        self, files: list[str] | None, repository: str, name: str, base: str
    ) -> Iterator[str | OwnAdapter]:
        """What is being done, in words, and at last the adapter: from files or from the hub."""
        if files:
            paths = [Path(file) for file in files]
            kept = keep_adapter(paths, self.actions.catalogue, name, base)
        elif repository.strip():
            yield f"fetching {repository.strip()}"
            kept = fetch_adapter(repository, self.actions.catalogue, base)
        else:
            raise ExplorerError("Choose a zip or the two files of a peft folder, or name a hub id.")
        yield from self._tried(kept)
        yield kept

    def _tried(self, kept: OwnAdapter) -> Iterator[str]:
        """Load it on its base and ask it one token; what does not fit is not kept."""
        fits = False
        try:
            request = ask_runs(TRIAL, [kept.id], sampling={"max_new_tokens": 1})
            for event in self.actions.engine.generate(request):
                if isinstance(event, Failed):
                    raise ExplorerError(event.reason)
                if isinstance(event, Progress):
                    yield event.what
                fits = fits or (isinstance(event, SelfCheck) and event.column == kept.id)
        finally:
            if not fits:
                with suppress(UnknownNameError):  # the worker may have done it
                    delete_adapter(kept.id)


def taken_in(actions: CompareActions, kept: OwnAdapter) -> Markup:
    """What was taken in."""
    told_of = kept.about
    method = actions.catalogue.methods[told_of.method].name
    words = f"{told_of.name} fits {told_of.base}: {method}, {told_of.parameters:,} parameters."
    return element("p", words, " It is among the adapters above.", class_="notice", role="status")
