import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from explorer.lab.probe import Statement, passages, statements
from explorer.lab.worker import forgetting
from explorer.lab.worker.forgetting import probe_knowledge


def result(loaded):
    *waiting, found = probe_knowledge(loaded.model, loaded.tokenizer)
    assert set(waiting) == {None}
    return found


def test_the_loss_is_the_mean_over_all_tokens_of_all_passages(loaded):
    total, count = 0.0, 0
    for text in passages():
        ids = torch.tensor(loaded.tokenizer(text, add_special_tokens=False)["input_ids"])
        with torch.no_grad():
            logits = loaded.model(input_ids=ids[None]).logits[0, :-1]
        total += cross_entropy(logits, ids[1:], reduction="sum").item()
        count += len(ids) - 1
    assert result(loaded).loss == pytest.approx(total / count, rel=1e-4)


def test_the_answer_is_the_ending_with_the_highest_mean_probability(loaded, monkeypatch):
    def mean(statement, ending):
        start = loaded.tokenizer(statement, add_special_tokens=False)["input_ids"]
        end = loaded.tokenizer(f" {ending}", add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = loaded.model(input_ids=torch.tensor([start + end])).logits[0]
        predicted = logits[len(start) - 1 : -1]
        return -cross_entropy(predicted, torch.tensor(end)).item()

    asked = [("a red", ("fox", "big old house", "ox")), ("we saw the", ("sea", "shore"))]
    likeliest = [max(range(len(e)), key=lambda n: mean(s, e[n])) for s, e in asked]
    quiz = [
        Statement(statement=s, endings=e, right=r)
        for (s, e), r in zip(asked, likeliest, strict=True)
    ]
    monkeypatch.setattr(forgetting, "statements", lambda: tuple(quiz))
    assert result(loaded).quiz == 1.0
    wrong = [item.model_copy(update={"right": 1 - min(item.right, 1)}) for item in quiz[:1]]
    monkeypatch.setattr(forgetting, "statements", lambda: (*wrong, *quiz[1:]))
    assert result(loaded).quiz == 0.5


def test_the_probe_is_balanced_and_gives_no_place_away():
    quiz = statements()
    assert len(quiz) >= 30
    counts = [sum(item.right == place for item in quiz) for place in range(4)]
    assert min(counts) >= len(quiz) // 8
    assert len(passages()) >= 10
    assert math.prod(len(item.endings) == 4 for item in quiz)
