"""Asking base and adapters the same thing: for the page, the HTTP API and MCP."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.lab.bases import checkpoints
from explorer.lab.engine import Engine
from explorer.lab.events import Failed
from explorer.lab.question import ask_runs
from explorer.lab.request import BASE_COLUMN, CompareRequest
from explorer.lab.runs import Run, find_run, list_runs
from explorer.ui.columns import Board
from explorer.ui.errors import told

LOOKS_A_SECOND = 10


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
    ) -> list[dict[str, Any]]:
        """Ask the base model and the adapters of runs the same prompt.

        Args:
            prompt: what is asked.
            runs: ids of finished runs, eight at most; the base is always asked too.
            max_new_tokens: longest answer.
            temperature: 0 is greedy.
            top_p: share of the probability that is drawn from.
            top_k: number of tokens that are drawn from; 0 is no limit.
            repetition_penalty: above 1 makes repeated tokens less likely.
            seed: of the draws; each column draws the same numbers.
            stop: texts that end an answer, one a line.
            system: the system message; empty takes the one that the runs were trained with.

        Returns:
            A record a column: column, name, text, mean_logprob, check, done.
        """
        settings = sampling(max_new_tokens, temperature, top_p, top_k, repetition_penalty, stop)
        request = ask_runs(prompt, runs, seed=seed, sampling=settings, system=system or None)
        board = self.board(request)
        for event in self.engine.generate(request):
            if isinstance(event, Failed):
                raise ExplorerError(event.reason)
            board.take(event)
        return [column.plain() for column in board.columns.values()]

    def watch(self, request: CompareRequest) -> Iterator[Board]:
        """The board again and again while the columns are answered, some times a second."""
        board, shown = self.board(request), 0.0
        yield board
        for event in self.engine.generate(request):
            if isinstance(event, Failed):
                raise ExplorerError(event.reason)
            board.take(event)
            if time.monotonic() - shown > 1 / LOOKS_A_SECOND:
                shown = time.monotonic()
                yield board
        yield board

    def board(self, request: CompareRequest) -> Board:
        """An empty board for a request, its columns named for the reader."""
        base = checkpoints().get(request.base)
        names = {BASE_COLUMN: ("Base", base.name if base else request.base)}
        for column in request.columns:
            if column != BASE_COLUMN:
                names[column] = self._named(find_run(column))
        return Board.of(names)

    def _named(self, run: Run) -> tuple[str, str]:
        job = run.job
        method = self.catalogue.methods.get(job.method)
        task = self.catalogue.tasks.get(job.task)
        name = job.label or (method.name if method else job.method)
        return name, f"{task.name if task else job.task}, {job.steps} steps, seed {job.seed}"

    def comparable(self) -> list[tuple[str, str]]:
        """Every run with an adapter, as choices: words and id, the newest first."""
        with_adapter = (run for run in list_runs() if run.adapter.is_dir() and run.state().over)
        return [(" · ".join((*self._named(run), run.id[-8:])), run.id) for run in with_adapter]

    def presets(self, runs: Sequence[str]) -> list[str]:
        """Prompts to try, from the tasks that the runs learned (or from all tasks)."""
        learned = {find_run(run).job.task for run in runs} & set(self.catalogue.tasks)
        tasks = [self.catalogue.tasks[name] for name in sorted(learned)]
        return [text for task in tasks or self.catalogue.tasks.values() for text in task.presets]


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
        "stop": tuple(line for line in stop.splitlines() if line),
    }
