"""Asking base and adapters the same thing: for the page, the HTTP API and MCP."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError, UnknownNameError
from explorer.lab.adapter_source import Source, find_source
from explorer.lab.bases import checkpoints
from explorer.lab.columns import parse_column
from explorer.lab.datasets import find_task
from explorer.lab.engine import Engine
from explorer.lab.events import Failed
from explorer.lab.own_adapters.store import list_adapters
from explorer.lab.question import ask_runs
from explorer.lab.request import BASE_COLUMN, CompareRequest
from explorer.lab.runs import list_runs
from explorer.lab.votes.ballots import Ballot, open_ballot, shuffled
from explorer.ui.compare.board import Board
from explorer.ui.compare.export import export
from explorer.ui.errors import told

LOOKS_A_SECOND = 4  # each look costs the browser some 60 ms, whatever changed
ALTERNATIVES = 5


class CompareActions:
    """The comparison's actions over one catalogue and one engine."""

    def __init__(self, catalogue: Catalogue, engine: Engine) -> None:
        self.catalogue = catalogue
        self.engine = engine

    @told
    def compare(  # noqa: PLR0913  # an endpoint's parameters are the fields of its form
        self,
        prompt: str,
        runs: list[str],
        max_new_tokens: int = 64,
        temperature: float = 0.0,
        top_p: float = 1.0,
        top_k: int = 0,
        repetition_penalty: float = 1.0,
        seed: int = 0,
        stop: str = "",
        system: str = "",
        strength: float = 1.0,
        histories: dict[str, list[dict[str, str]]] | None = None,
    ) -> dict[str, Any]:
        """Ask the base model and adapters the same prompt.

        Args:
            prompt: what is asked.
            runs: eight columns at most, the base is always asked too: ids of finished runs or of
                adapters brought along, as ID@0.5 at another strength than 1, as ID@0.7+ID@0.3 a
                sum of LoRA adapters.
            max_new_tokens: longest answer.
            temperature: 0 is greedy.
            top_p: share of the probability that is drawn from.
            top_k: number of tokens that are drawn from; 0 is no limit.
            repetition_penalty: above 1 makes repeated tokens less likely.
            seed: of the draws; each column draws the same numbers.
            stop: texts that end an answer, one a line.
            system: the system message; empty takes the one that the runs were trained with.
            strength: multiplies every adapter's strength; 0 is the base.
            histories: turns before the prompt (role and content), by column.

        Returns:
            prompt, base, seed, sampling, and columns: column, name, about, text, mean_logprob,
            turns, tokens (with the five likeliest), base_logprobs, check, done.
        """
        settings = sampling(max_new_tokens, temperature, top_p, top_k, repetition_penalty, stop)
        request = self.request(
            prompt, runs, settings, seed, system, strength=strength, histories=histories
        )
        *_, board = self.watch(request)
        return board.plain()

    @told
    def export_comparison(self, comparison: dict[str, Any], kind: str = "md") -> str:
        """A comparison as text.

        Args:
            comparison: what `compare` returned.
            kind: md or json.

        Returns:
            The text of the file.
        """
        return export(kind, comparison)

    def request(
        self,
        prompt: str,
        runs: Sequence[str],
        settings: dict[str, Any],
        seed: int = 0,
        system: str = "",
        **options: Any,
    ) -> CompareRequest:
        """A checked request that tells all that the page shows."""
        return ask_runs(
            prompt or "",
            runs or [],
            seed=seed,
            sampling=settings,
            system=system or None,
            alternatives=ALTERNATIVES,
            shifts=True,
            **options,
        )

    def watch(self, request: CompareRequest, blind: bool = False) -> Iterator[Board]:
        """The board again and again while the columns are answered, some times a second."""
        board, shown = self.board(request, blind), 0.0
        yield board
        for event in self.engine.generate(request):
            if isinstance(event, Failed):
                raise ExplorerError(event.reason)
            board.take(event)
            if time.monotonic() - shown > 1 / LOOKS_A_SECOND:
                shown = time.monotonic()
                yield board
        yield board

    def watch_blindly(self, request: CompareRequest) -> Iterator[tuple[Board, Ballot | None]]:
        """The same with the columns shuffled and unnamed; at the end a ballot to vote on."""
        if len(request.columns) < 2:
            raise ExplorerError("A vote needs at least two columns: choose an adapter.")
        mixed = request.model_copy(update={"columns": tuple(shuffled(request.columns))})
        board = self.board(mixed, blind=True)
        for board in self.watch(mixed, blind=True):  # the last one goes on the ballot
            yield board, None
        names = [column.name for column in board.columns.values()]
        ballot = open_ballot(board.prompt, request.base, mixed.columns, names, board.plain())
        yield board, ballot

    def board(self, request: CompareRequest, blind: bool = False) -> Board:
        """An empty board for a request, its columns named for the reader."""
        base = checkpoints().get(request.base)
        names = {BASE_COLUMN: ("Base", base.name if base else request.base)}
        for column in request.columns:
            if column != BASE_COLUMN:
                names[column] = self.named(column)
        return Board.of(request, _told_apart(names), blind)

    def named(self, word: str) -> tuple[str, str]:
        """A column's name, and a line about it."""
        spec = parse_column(word)
        sources = [find_source(share.source) for share in spec.shares]
        names = {source.id: self.source_name(source) for source in sources}
        about = [", ".join(filter(None, (self._task_name(s), s.about))) for s in sources]
        return spec.named(lambda name: names[name]), "; ".join(about)

    def source_name(self, source: Source) -> str:
        """What an adapter is called: its label, else its method."""
        method = self.catalogue.methods.get(source.method)
        return source.label or (method.name if method else source.method)

    def _task_name(self, source: Source) -> str:
        if source.task is None:
            return ""
        try:
            return find_task(source.task).name
        except UnknownNameError:  # a visitor's own data that is gone since
            return source.task

    def comparable(self) -> list[tuple[str, str]]:
        """Every adapter there is, as choices: words and id, the newest first."""
        runs = [run.id for run in list_runs() if run.adapter.is_dir() and run.state().over]
        own = [adapter.id for adapter in list_adapters()]
        return [self.choice(name) for name in (*runs, *own)]

    def choice(self, word: str) -> tuple[str, str]:
        """A column as a choice: words and the word it is written as."""
        spec = parse_column(word)
        ends = " + ".join(share.source[-8:] for share in spec.shares)
        return " · ".join((*filter(None, self.named(word)), ends)), word

    def presets(self, runs: Sequence[str]) -> list[str]:
        """Prompts to try, from the tasks that the adapters learned (or from all tasks)."""
        sources = [find_source(s.source) for word in runs for s in parse_column(word).shares]
        learned = sorted({source.task for source in sources if source.task})
        tasks = [find_task(name) for name in learned if self._known(name)]
        return [text for task in tasks or self.catalogue.tasks.values() for text in task.presets]

    def _known(self, task: str) -> bool:
        try:
            find_task(task)
        except UnknownNameError:
            return False
        return True


def sampling(
    max_new_tokens: int,
    temperature: float,
    top_p: float,
    top_k: int,
    repetition_penalty: float,
    stop: str,
) -> dict[str, Any]:
    """The form's fields as the request takes them."""
    return {
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "top_p": top_p,
        "top_k": top_k,
        "repetition_penalty": repetition_penalty,
        "stop": tuple(line for line in (stop or "").splitlines() if line),
    }


def _told_apart(names: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """The same names, numbered where several columns would have one."""
    listed = [name for name, _ in names.values()]
    counts: dict[str, int] = {}
    found = {}
    for key, (name, about) in names.items():
        counts[name] = counts.get(name, 0) + 1
        several = listed.count(name) > 1
        found[key] = (f"{name} ({counts[name]})" if several else name, about)
    return found
