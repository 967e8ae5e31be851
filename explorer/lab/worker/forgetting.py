"""What a model still knows: loss on neutral text, and a quiz that the base can answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from explorer.lab.probe import passages, statements
from explorer.lab.worker.decode import Decoding
from explorer.lab.worker.text import pad_id


@dataclass(frozen=True)
class Knowledge:
    """`loss` is nats a token over the passages; its exponential is their perplexity."""

    loss: float
    quiz: float  # share of statements finished rightly


def probe_knowledge(model: nn.Module, tokenizer: Any) -> Iterator[Knowledge | None]:
    """Yields None after each bit of work, and at last what the model knows."""
    was_training = model.training
    model.eval()
    losses: list[float] = []
    for loss in text_losses(model, tokenizer):
        losses += loss
        yield None
    right: list[bool] = []
    for told in _quiz(model, tokenizer):
        right += told
        yield None
    model.train(was_training)
    yield Knowledge(sum(losses) / len(losses), sum(right) / len(right))


def text_losses(model: nn.Module, tokenizer: Any, at_once: int = 8) -> Iterator[list[float]]:
    """Negative log-probability of each token but the first of every passage."""
    texts = [_ids(tokenizer, text) for text in passages()]
    for number in range(0, len(texts), at_once):
        batch = texts[number : number + at_once]
        decoding = Decoding(model, pad_id(tokenizer))
        first = decoding.start([ids[:1] for ids in batch])
        yield decoding.losses(first, [ids[1:] for ids in batch]).tolist()


def _quiz(model: nn.Module, tokenizer: Any) -> Iterator[list[bool]]:
    """Read all statements at once, then every first ending, every second one, and so on."""
    asked = statements()
    decoding = Decoding(model, pad_id(tokenizer))
    first = decoding.start([_ids(tokenizer, item.statement) for item in asked])
    yield []
    means = torch.full((len(asked), max(len(item.endings) for item in asked)), torch.inf)
    for place in range(means.shape[1]):
        # A statement with fewer endings is asked its first one again, and that is not counted.
        endings = [item.endings[place if place < len(item.endings) else 0] for item in asked]
        ids = [_ids(tokenizer, f" {ending}") for ending in endings]
        losses = decoding.losses(first, ids).split([len(ending) for ending in ids])
        for number, (item, loss) in enumerate(zip(asked, losses, strict=True)):
            if place < len(item.endings):
                means[number, place] = loss.mean()
        yield []
    yield [int(row.argmin()) == item.right for row, item in zip(means, asked, strict=True)]


def _ids(tokenizer: Any, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]
