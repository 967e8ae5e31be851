"""Held-out rows: answered greedily in one batch and scored, and their loss."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.task import Metric
from explorer.lab.datasets import Row
from explorer.lab.events import Example
from explorer.lab.metrics import interval, score
from explorer.lab.worker.decode import Decoding, autocast
from explorer.lab.worker.text import (
    IGNORED,
    Batch,
    Encoded,
    encode_plain,
    encode_row,
    end_ids,
    messages_of,
    pad_id,
)

SHOWN = 8  # examples that go into the event
ROWS_AT_ONCE = 40


@dataclass(frozen=True)
class Evaluation:
    """What a model makes of the held-out rows."""

    metric: str
    value: float
    low: float
    high: float
    loss: float  # nats an answer token
    rows: int
    seconds: float
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class HeldOut:
    """Held-out rows with how to ask and to score them."""

    task: str
    rows: tuple[Row, ...]
    metric: Metric
    system: str | None
    max_length: int
    max_new_tokens: int


def evaluate(model: nn.Module, tokenizer: Any, held: HeldOut) -> Iterator[Evaluation | None]:
    """Yield None after every token or batch, and at last the evaluation."""
    begun = time.perf_counter()
    was_training = model.training
    model.eval()
    examples: list[Example] = []
    losses: list[float] = []
    for first in range(0, len(held.rows), ROWS_AT_ONCE):
        taken = held.rows[first : first + ROWS_AT_ONCE]
        whole = encode_rows(tokenizer, taken, held.system, held.max_length, first + 1)
        pairs = [_asked(tokenizer, *pair) for pair in zip(taken, whole, strict=True)]
        rows, encoded = [row for row, _ in pairs], [ids for _, ids in pairs]
        decoding = Decoding(model, pad_id(tokenizer))
        logits = decoding.start([row.input_ids[: row.answer_start] for row in encoded])
        yield None
        answers = [row.input_ids[row.answer_start :] for row in encoded]
        losses += decoding.losses(logits, answers).tolist()
        yield None
        for told in greedy(decoding, logits, held.max_new_tokens, end_ids(tokenizer, model)):
            if told is None:
                yield None
            else:
                examples += scored(rows, told, held.metric, tokenizer)
    model.train(was_training)
    scores = [example.score for example in examples]
    low, high = interval(scores)
    yield Evaluation(
        metric=held.metric,
        value=sum(scores) / len(scores),
        low=low,
        high=high,
        loss=sum(losses) / len(losses),
        rows=len(scores),
        seconds=time.perf_counter() - begun,
        examples=tuple(examples[:SHOWN]),
    )


def greedy(
    decoding: Decoding, logits: Tensor, limit: int, ends: set[int]
) -> Iterator[list[list[int]] | None]:
    """The most probable continuations after `logits`: None after every token, then their ids.

    An answer ends before a token of `ends`, or at `limit` tokens.
    """
    stops = torch.tensor(sorted(ends), device=logits.device)
    token = logits.argmax(dim=-1)
    chosen, finished = [token], torch.isin(token, stops)
    while len(chosen) < limit and not finished.all():
        yield None
        token = decoding.step(token).argmax(dim=-1)
        chosen.append(token)
        finished |= torch.isin(token, stops)
    rows = torch.stack(chosen, dim=1).tolist()
    yield [list(takewhile(lambda token: token not in ends, row)) for row in rows]


def scored(
    rows: Sequence[Row], answers: Sequence[list[int]], metric: Metric, tokenizer: Any
) -> list[Example]:
    """Each row with its answer in words and its score."""
    examples = []
    for row, ids in zip(rows, answers, strict=True):
        answer = tokenizer.decode(ids, skip_special_tokens=True)
        value = score(metric, row.completion, answer)
        examples.append(
            Example(prompt=row.prompt, expected=row.completion, answer=answer, score=value)
        )
    return examples


def answer_loss(logits: Tensor, batch: Batch) -> tuple[Tensor, int]:
    """Summed cross entropy of the answer tokens in nats, and how many they are.

    `logits` are those of the batch's last `kept` places, [B, kept, V].
    """
    predictions = logits.float().flatten(0, 1)
    labels = batch.labels.flatten()
    summed = functional.cross_entropy(predictions, labels, ignore_index=IGNORED, reduction="sum")
    return summed, int((labels != IGNORED).sum())


def forward(model: nn.Module, batch: Batch, wrapped: nn.Module | None = None) -> Tensor:
    """Logits [B, kept, V] of the places that predict answer tokens.

    `wrapped` is what to call where a launcher has wrapped the model for several processes.
    """
    with autocast(model):
        output = (wrapped or model)(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            use_cache=False,
            logits_to_keep=batch.kept,
        )
    return output.logits


def encode_rows(
    tokenizer: Any, rows: Sequence[Row], system: str | None, max_length: int, first: int = 1
) -> list[Encoded]:
    """Every row as token ids; raises ExplorerError naming the row that is too long.

    `first` is the number of the first row, as a person counts them.
    """
    encoded = []
    for number, row in enumerate(rows, start=first):
        try:
            encoded.append(_encoded(tokenizer, row, system, max_length))
        except ExplorerError as error:
            raise ExplorerError(f"Row {number} does not fit: {error}") from error
    return encoded


def _encoded(tokenizer: Any, row: Row, system: str | None, max_length: int) -> Encoded:
    if not row.prompt:
        return encode_plain(tokenizer, row.completion, max_length)
    history = [message.model_dump() for message in row.history]
    messages = messages_of(row.prompt, system, history)
    return encode_row(tokenizer, messages, row.completion, max_length)


def _asked(tokenizer: Any, row: Row, encoded: Encoded) -> tuple[Row, Encoded]:
    """How a held-out row is asked: of a plain text the second half is to be continued."""
    if row.prompt:
        return row, encoded
    half = max(1, len(encoded.input_ids) // 2)
    texts = [
        tokenizer.decode(part, skip_special_tokens=True)
        for part in (encoded.input_ids[:half], encoded.input_ids[half:])
    ]
    return Row(prompt=texts[0], completion=texts[1] or " "), Encoded(encoded.input_ids, half)
