"""One conversation, several columns: which base and adapter each is, what they say, self-checks."""

import time
from collections.abc import Iterator
from typing import Any

from explorer.catalogue.errors import ExplorerError
from explorer.lab.events import ColumnDone, Progress, Token
from explorer.lab.request import BASE_COLUMN, MAX_COLUMNS, CompareRequest
from explorer.lab.runs import Run, find_run
from explorer.lab.worker import rows
from explorer.lab.worker.adapters import load_adapter
from explorer.lab.worker.selfcheck import self_checks
from explorer.lab.worker.shelf import Loaded, Shelf
from explorer.lab.worker.text import encode_prompt


def compare(request: CompareRequest, shelf: Shelf) -> Iterator[Any]:
    """Yields events to tell, and None where there is only work to be done between two of them."""
    columns: list[rows.Column] = []
    stands_on: list[Loaded] = []
    for name in request.columns:
        run = None if name == BASE_COLUMN else _fitting(find_run(name), request)
        loaded = yield from _loaded(request, run, shelf)
        stands_on.append(loaded)
        if run is None:
            columns.append(rows.Column(name, loaded.model))
        else:
            model = yield from _adapter(loaded, run)
            columns.append(rows.Column(name, loaded.model, (rows.Part(model),)))
    tokenizer = stands_on[0].tokenizer
    prompt = encode_prompt(tokenizer, [turn.model_dump() for turn in request.messages])
    yield from _answers(request, columns, prompt, tokenizer)
    yield from self_checks(columns, stands_on, prompt)


def _adapter(loaded: Loaded, run: Run) -> Iterator[Any]:
    """Tell what is being loaded; returns the run's adapter on a view of the base.

    As many adapters as a comparison can have columns are kept for the next one.
    """
    changed = run.adapter.stat().st_mtime_ns if run.adapter.exists() else 0
    key = (run.id, changed)
    if key not in loaded.adapters:
        yield Progress(what=f"loading the adapter of {run.id}")
        loaded.adapters[key] = load_adapter(loaded, run.adapter)
        while len(loaded.adapters) > MAX_COLUMNS:
            del loaded.adapters[next(iter(loaded.adapters))]
    return loaded.adapters[key]


def _fitting(run: Run, request: CompareRequest) -> Run:
    if run.job.base != request.base:
        raise ExplorerError(
            f"The run {run.id} was trained on {run.job.base!r}; its adapter does not fit "
            f"{request.base!r}."
        )
    return run


def _loaded(request: CompareRequest, run: Run | None, shelf: Shelf) -> Iterator[Any]:
    """Tell what is being loaded; returns the base that the column stands on."""
    quantization, double = request.quantization, True
    if quantization is None:
        quantization = run.job.quantization if run else "none"
        double = run.job.double_quantization if run else True
    for item in shelf.get(request.base, quantization, double, request.precision):
        if isinstance(item, Loaded):
            return item
        yield Progress(what=item)
    raise AssertionError("the shelf ends with the base")


def _answers(
    request: CompareRequest, columns: list[rows.Column], prompt: list[int], tokenizer: Any
) -> Iterator[Any]:
    """The columns' tokens as they come, then how each went."""
    settings = rows.Sampling(**request.sampling.model_dump())
    asked = rows.Request(prompt, settings, request.seed, request.alternatives)
    begun = time.perf_counter()
    first: dict[int, float] = {}
    for event in rows.decode(columns, asked, tokenizer):
        now = time.perf_counter() - begun
        if isinstance(event, rows.Token):
            first.setdefault(event.column, now)
            yield _token(event, columns[event.column].name, tokenizer)
        elif isinstance(event, rows.Finished):
            decoding = now - first[event.column]
            yield ColumnDone(
                column=columns[event.column].name,
                text=event.text,
                tokens=event.tokens,
                prompt_tokens=len(prompt),
                # The first token comes out of reading the prompt; the rate is of those after it.
                tokens_per_second=(event.tokens - 1) / decoding if event.tokens > 1 else 0.0,
                time_to_first_token=first[event.column],
                stop_reason=event.reason,
            )
        else:
            yield None


def _token(event: rows.Token, column: str, tokenizer: Any) -> Token:
    return Token(
        column=column,
        index=event.index,
        text=event.text,
        token_id=event.token_id,
        logprob=event.logprob,
        alternatives=tuple((i, tokenizer.decode([i]), p) for i, p in event.alternatives),
    )
