"""What the Compare tab answers with when something is pressed."""

import json
from collections.abc import Iterator
from typing import Any

import gradio as gr

from explorer.catalogue.errors import ExplorerError
from explorer.lab.adapter_source import find_source
from explorer.lab.columns import ColumnSpec, Share, parse_column
from explorer.lab.own_adapters.store import OwnAdapter, list_adapters
from explorer.lab.votes.ballots import TIE, vote
from explorer.ui.compare.answers import board_html
from explorer.ui.compare.board import Board
from explorer.ui.compare.export import export
from explorer.ui.compare.own import AdapterActions, taken_in
from explorer.ui.compare.sets import SetActions, chosen_set, summary, table, widths
from explorer.ui.compare.votes import VoteActions, revealed, standings_html
from explorer.ui.compare_actions import CompareActions, sampling
from explorer.ui.errors import told, warn
from explorer.ui.markup import element

HIDE = gr.update(visible=False)


class Handlers:
    """The tab's handlers over the comparison's actions."""

    def __init__(self, actions: CompareActions) -> None:
        self.actions = actions
        self.sets = SetActions(actions)
        self.votes = VoteActions(actions)
        self.own = AdapterActions(actions)

    def visit(self, chosen: list[str]) -> Any:
        """The adapters there are, and of them those that a link asked for."""
        kept = []
        for word in chosen or []:
            try:
                for share in parse_column(word).shares:
                    find_source(share.source)
            except ExplorerError as error:
                warn(str(error))
            else:
                kept.append(word)
        return self._runs(kept)

    def _runs(self, chosen: list[str]) -> Any:
        choices = self.actions.comparable()
        known = {word for _, word in choices}
        choices += [self.actions.choice(word) for word in chosen if word not in known]
        return gr.Dropdown(choices=choices, value=chosen, allow_custom_value=True)

    def presets(self, runs: list[str]) -> Any:
        """Prompts of the tasks that these adapters learned."""
        try:
            return gr.Dropdown(choices=self.actions.presets(runs or []), value=None)
        except ExplorerError:  # an adapter that is gone: `visit` says so
            return gr.Dropdown(choices=self.actions.presets([]), value=None)

    def sources(self, first: str | None, other: str | None) -> list[Any]:
        """Every adapter as a choice for a column of its own strength."""
        choices = self.actions.comparable()
        known = {word for _, word in choices}
        return [
            gr.Dropdown(choices=choices, value=one if one in known else None)
            for one in (first, other)
        ]

    @told
    def add_mix(
        self, runs: list[str], first: str | None, share: float, other: str | None, its: float
    ) -> Any:
        """Add the column that the form describes."""
        if not first:
            raise ExplorerError("Choose the adapter first.")
        shares = [Share(first, share)] + ([Share(other, its)] if other else [])
        word = parse_column(ColumnSpec(tuple(shares)).word).word
        if word in (runs or []):
            raise ExplorerError("There is such a column already.")
        return self._runs([*(runs or []), word])

    @told
    def ask(  # noqa: PLR0913  # the form's fields
        self,
        prompt: str,
        chat: bool,
        blind: bool,
        view: str,
        against: str,
        before: str,
        runs: list[str],
        strength: float,
        *settings: Any,
    ) -> Iterator[Any]:
        """Stream the columns, then what can be done with them."""
        *limits, seed, stop, system, precision = settings
        if chat and blind:
            raise ExplorerError("A chat cannot be blind: every column's history would name it.")
        request = self.actions.request(
            prompt,
            runs,
            sampling(*limits, stop),
            seed,
            system,
            strength=strength,
            histories=_histories(before) if chat else {},
            **({} if precision == "own" else {"quantization": precision}),
        )
        same = gr.skip()
        if blind:
            yield from self._ask_blindly(request)
            return
        board = None
        for board in self.actions.watch(request):
            yield board_html(board), same, same, "", HIDE, same, ""
        if board is not None:
            yield (*self._drawn(board, view, against), "", HIDE, same, "")

    def _ask_blindly(self, request: Any) -> Iterator[Any]:
        same = gr.skip()
        for board, ballot in self.actions.watch_blindly(request):
            if ballot is None:
                yield board_html(board), "", same, "", HIDE, same, ""
            else:
                letters = [*ballot.letters, ("they are equally good", TIE)]
                radio = gr.Radio(choices=letters, value=None)
                yield board_html(board), "", same, ballot.id, gr.update(visible=True), radio, ""

    def _drawn(self, board: Board, view: str, against: str) -> tuple[Any, str, Any]:
        """The board, the result that the page carries, and what it can be held against."""
        known = [(column.name, key) for key, column in board.columns.items()]
        chosen = against if against in board.columns else known[0][1]
        dropdown = gr.Dropdown(choices=known, value=chosen)
        return board_html(board, view, chosen), json.dumps(board.plain()), dropdown

    @told
    def cast(self, ballot: str, choice: str | None, view: str) -> list[Any]:
        """Vote, and take the cover off."""
        if not choice:
            raise ExplorerError("Choose an answer, or that they are equally good.")
        voted = vote(ballot, choice)
        shown = self._drawn(Board.read(voted.result), view, "base")
        return [*shown, "", HIDE, revealed(voted)]

    def forget(self) -> list[Any]:
        """An empty board."""
        return ["", "", gr.skip(), "", HIDE, gr.skip(), ""]

    @told
    def draw(self, result: str, view: str, against: str) -> Any:
        """The last comparison in another view."""
        return board_html(_read(result), view, against) if result else gr.skip()

    @told
    def copied(self, result: str) -> str:
        """The last comparison as Markdown."""
        return export("md", _read(result).plain())

    @told
    def file(self, kind: str, result: str) -> tuple[str, str]:
        """The last comparison as a file's text, and its name."""
        return export(kind, _read(result).plain()), f"comparison.{kind}"

    @told
    def ask_set(  # the form's fields
        self,
        task: str,
        limit: int,
        upload: str | None,
        metric: str,
        runs: list[str],
        strength: float,
        *settings: Any,
    ) -> Iterator[Any]:
        """Ask a whole set; the table grows with every prompt."""
        tokens, *others, seed, stop, system, precision = settings
        limits = sampling(tokens, *others, stop)
        del limits["max_new_tokens"]  # a set brings its own
        options: dict[str, Any] = {"strength": strength, "seed": seed, "sampling": limits}
        if system:
            options["system"] = system
        if precision != "own":
            options["quantization"] = precision
        prompts = chosen_set(task, upload, metric, limit)
        yield element("p", "starting the engine …", class_="faint"), gr.skip(), ""
        names: dict[str, str] = {}
        for result in self.sets.run(prompts, runs or [], **options):
            names = names or self.sets.names(result.columns)
            over = len(result.rows) == result.total
            text = json.dumps(result.plain()) if over else ""
            rows = table(result, names)
            shown = gr.update(value=rows, column_widths=widths(result), visible=True)
            yield summary(result, names), shown, text

    def standings(self) -> Any:
        """How the columns stand after the votes."""
        return standings_html()

    @told
    def bring_adapter(
        self, files: list[str] | None, hub: str, name: str, base: str, runs: list[str]
    ) -> Iterator[Any]:
        """Take in an adapter from files or from the hub, after it was checked and tried.

        Args:
            files: a zip of a peft folder, or its adapter_config.json and safetensors.
            hub: where there are no files, an id on the Hugging Face hub, owner/name.
            name: what to call it; empty takes the name of the file or of the hub's id.
            base: id of the base it shall act on; empty takes the one that it names.
            runs: columns chosen so far, as for `compare`; the adapter comes after them.
        """
        for found in self.own.take(files, hub or "", name or "", base or ""):
            if isinstance(found, OwnAdapter):
                chosen = self._runs([*(runs or []), found.id])
                yield taken_in(self.actions, found), chosen, self.brought()
            else:
                yield element("p", f"{found} …", class_="faint"), gr.skip(), gr.skip()

    def brought(self) -> Any:
        """The adapters that were brought, as choices."""
        choices = [(f"{one.about.name} · {one.id[-8:]}", one.id) for one in list_adapters()]
        return gr.Dropdown(choices=choices, value=None)

    @told
    def delete(self, adapter: str | None, runs: list[str]) -> list[Any]:
        """Delete one that was brought."""
        if not adapter:
            raise ExplorerError("Choose the adapter to delete.")
        self.own.delete_adapter(adapter)
        return [self._runs([word for word in runs or [] if adapter not in word]), self.brought()]


def _read(result: str) -> Board:
    try:
        plain = json.loads(result)
    except ValueError as error:
        raise ExplorerError("There is no comparison yet: ask one first.") from error
    return Board.read(plain)


def _histories(before: str) -> dict[str, Any]:
    return _read(before).histories() if before else {}
