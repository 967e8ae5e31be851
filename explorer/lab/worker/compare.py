"""One question, several columns: which base and adapters each is, what they say, self-checks."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from explorer.catalogue.errors import ExplorerError
from explorer.lab.adapter_source import Source, find_source
from explorer.lab.columns import ColumnSpec, parse_column
from explorer.lab.events import ColumnDone, Progress, Shift, Token
from explorer.lab.request import MAX_COLUMNS, CompareRequest
from explorer.lab.worker import rows
from explorer.lab.worker.adapters import load_adapter
from explorer.lab.worker.selfcheck import self_checks
from explorer.lab.worker.shelf import Loaded, Shelf
from explorer.lab.worker.shift import BaseReader
from explorer.lab.worker.text import encode_prompt

Prompts = list[list[int]]  # token ids, a list a column


def compare(request: CompareRequest, shelf: Shelf) -> Iterator[Any]:
    """Yields events to tell, and None where there is only work to be done between two of them."""
    columns: list[rows.Column] = []
    stands_on: list[Loaded] = []
    for word in request.columns:
        column, loaded = yield from _column(word, request, shelf)
        columns.append(column)
        stands_on.append(loaded)
    tokenizer = stands_on[0].tokenizer
    conversations = (request.conversation(word) for word in request.columns)
    prompts = [encode_prompt(tokenizer, [t.model_dump() for t in turns]) for turns in conversations]
    answers = yield from _answers(request, columns, prompts, tokenizer)
    if request.shifts:
        yield from _shifts(columns, prompts, answers)
    if request.self_check:
        yield from self_checks(columns, stands_on, prompts)


def _column(word: str, request: CompareRequest, shelf: Shelf) -> Iterator[Any]:
    """Tell what is being loaded; returns the column and the base that it stands on."""
    spec = parse_column(word)
    sources = [_fitting(find_source(share.source), request) for share in spec.shares]
    bases = []
    for source in sources or [None]:
        bases.append((yield from _loaded(request, source, shelf)))
    loaded = bases[0]
    if any(other is not loaded for other in bases):
        raise ExplorerError(
            f"{word!r:.80} adds up adapters that stand on bases of different precision: choose one "
            "for all columns."
        )
    parts = []
    for share, source in zip(spec.shares, sources, strict=True):
        part = yield from _adapter(loaded, source)
        parts.append(replace(part, strength=share.strength))
    return rows.Column(word, loaded.model, _acting(spec, parts)), loaded


def _acting(spec: ColumnSpec, parts: list[rows.Part]) -> tuple[rows.Part, ...]:
    """In a sum those at strength 0 are left out: they add nothing."""
    acting = tuple(part for part in parts if part.strength != 0)
    return acting or tuple(parts[:1]) if len(spec.shares) > 1 else tuple(parts)


def _adapter(loaded: Loaded, source: Source) -> Iterator[Any]:
    """Tell what is being loaded; returns the adapter on a view of the base.

    As many adapters as a comparison can have columns are kept for the next one.
    """
    changed = source.folder.stat().st_mtime_ns if source.folder.exists() else 0
    key = (source.id, changed)
    if key not in loaded.adapters:
        yield Progress(what=f"loading the adapter of {source.id}")
        loaded.adapters[key] = rows.Part(load_adapter(loaded, source.folder))
        while len(loaded.adapters) > MAX_COLUMNS:
            del loaded.adapters[next(iter(loaded.adapters))]
    return loaded.adapters[key]


def _fitting(source: Source, request: CompareRequest) -> Source:
    if source.base != request.base:
        raise ExplorerError(
            f"{source.id} was trained on {source.base!r}; its adapter does not fit "
            f"{request.base!r}."
        )
    return source


def _loaded(request: CompareRequest, source: Source | None, shelf: Shelf) -> Iterator[Any]:
    """Tell what is being loaded; returns the base that the column stands on."""
    quantization, double = request.quantization, True
    if quantization is None:
        quantization = source.quantization if source else "none"
        double = source.double_quantization if source else True
    for item in shelf.get(request.base, quantization, double, request.precision):
        if isinstance(item, Loaded):
            return item
        yield Progress(what=item)
    raise AssertionError("the shelf ends with the base")


def _answers(
    request: CompareRequest, columns: list[rows.Column], prompts: Prompts, tokenizer: Any
) -> Iterator[Any]:
    """The columns' tokens as they come, then how each went; returns every column's token ids."""
    settings = rows.Sampling(**request.sampling.model_dump())
    own = tuple(prompts)
    asked = rows.Request((), settings, request.seed, request.alternatives, own=own)
    begun = time.perf_counter()
    first: dict[int, float] = {}
    answers: list[list[int]] = [[] for _ in columns]
    for event in rows.decode(columns, asked, tokenizer):
        now = time.perf_counter() - begun
        if isinstance(event, rows.Token):
            first.setdefault(event.column, now)
            answers[event.column].append(event.token_id)
            yield _token(event, columns[event.column].name, tokenizer)
        elif isinstance(event, rows.Finished):
            decoding = now - first[event.column]
            yield ColumnDone(
                column=columns[event.column].name,
                text=event.text,
                tokens=event.tokens,
                prompt_tokens=len(prompts[event.column]),
                # The first token comes out of reading the prompt; the rate is of those after it.
                tokens_per_second=(event.tokens - 1) / decoding if event.tokens > 1 else 0.0,
                time_to_first_token=first[event.column],
                stop_reason=event.reason,
            )
        else:
            yield None
    return answers


def _shifts(
    columns: list[rows.Column], prompts: Prompts, answers: list[list[int]]
) -> Iterator[Any]:
    """What the base gives each token that an adapter said."""
    readers: dict[int, BaseReader] = {}
    for column, prompt, answer in zip(columns, prompts, answers, strict=True):
        if not column.parts:
            continue
        reader = readers.setdefault(id(column.base), BaseReader(column.base))
        for found in reader.logprobs(prompt, answer):
            if found is None:
                yield None
            else:
                yield Shift(column=column.name, base_logprobs=tuple(found))


def _token(event: rows.Token, column: str, tokenizer: Any) -> Token:
    return Token(
        column=column,
        index=event.index,
        text=event.text,
        token_id=event.token_id,
        logprob=event.logprob,
        alternatives=tuple((i, tokenizer.decode([i]), p) for i, p in event.alternatives),
    )
