"""Held-out rows: answered greedily in one batch and scored, and their loss."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.catalogue.task import Metric
from explorer.lab.datasets import Row
from explorer.lab.events import Example
from explorer.lab.metrics import interval, score
from explorer.lab.worker.decode import Decoding, autocast
from explorer.lab.worker.text import (
    IGNORED,
    Batch,
    Encoded,
    collate,
    encode_prompt,
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


def evaluate(model: nn.Module, tokenizer: object, held: HeldOut) -> Iterator[Evaluation | None]:
    """Yield None after every token or batch, and at last the evaluation."""
    begun = time.perf_counter()
    was_training = model.training
    model.eval()
    examples: list[Example] = []
    losses = weights = 0.0
    for first in range(0, len(held.rows), ROWS_AT_ONCE):
        rows = held.rows[first : first + ROWS_AT_ONCE]
        prompts = [encode_prompt(tokenizer, messages_of(row.prompt, held.system)) for row in rows]
        answers: list[str] = []
        for step in greedy(model, tokenizer, prompts, held.max_new_tokens):
            if step is None:
                yield None
            else:
                answers = step
        for row, answer in zip(rows, answers, strict=True):
            value = score(held.metric, row.completion, answer)
            examples.append(
                Example(prompt=row.prompt, expected=row.completion, answer=answer, score=value)
            )
        loss, tokens = _loss(model, tokenizer, rows, held)
        losses, weights = losses + loss * tokens, weights + tokens
        yield None
    model.train(was_training)
    scores = [example.score for example in examples]
    low, high = interval(scores)
    yield Evaluation(
        metric=held.metric,
        value=sum(scores) / len(scores),
        low=low,
        high=high,
        loss=losses / weights,
        rows=len(scores),
        seconds=time.perf_counter() - begun,
        examples=tuple(examples[:SHOWN]),
    )


def greedy(
    model: nn.Module, tokenizer: object, prompts: Sequence[Sequence[int]], limit: int
) -> Iterator[list[str] | None]:
    """The most probable continuations: yields None after every token, then the answers."""
    ends = torch.tensor(sorted(end_ids(tokenizer, model)))
    decoding = Decoding(model, pad_id(tokenizer))
    token = decoding.start(prompts).argmax(dim=-1)
    ends = ends.to(token.device)
    chosen = [token]
    finished = torch.isin(token, ends)
    while len(chosen) < limit and not finished.all():
        yield None
        token = decoding.step(token).argmax(dim=-1)
        chosen.append(token)
        finished |= torch.isin(token, ends)
    rows = torch.stack(chosen, dim=1).tolist()
    stops = set(ends.tolist())
    yield [tokenizer.decode(_until(row, stops), skip_special_tokens=True) for row in rows]


def answer_loss(logits: Tensor, batch: Batch) -> tuple[Tensor, int]:
    """Summed cross entropy of the answer tokens in nats, and how many they are.

    `logits` are those of the batch's last `kept` places, [B, kept, V].
    """
    predictions = logits[:, :-1].float().flatten(0, 1)
    labels = batch.labels.flatten()
    summed = functional.cross_entropy(predictions, labels, ignore_index=IGNORED, reduction="sum")
    return summed, int((labels != IGNORED).sum())


@torch.no_grad()
def _loss(
    model: nn.Module, tokenizer: object, rows: Sequence[Row], held: HeldOut
) -> tuple[float, int]:
    encoded = encode_rows(tokenizer, rows, held.system, held.max_length)
    batch = collate(encoded, pad_id(tokenizer), next(model.parameters()).device)
    summed, tokens = answer_loss(forward(model, batch), batch)
    return float(summed) / tokens, tokens


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
    tokenizer: object, rows: Sequence[Row], system: str | None, max_length: int
) -> list[Encoded]:
    """Every row as token ids; raises ExplorerError for one that is too long."""
    return [
        encode_row(tokenizer, messages_of(row.prompt, system), row.completion, max_length)
        for row in rows
    ]


def _until(row: list[int], stops: set[int]) -> list[int]:
    for place, token in enumerate(row):
        if token in stops:
            return row[:place]
    return row
