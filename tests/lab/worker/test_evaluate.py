import pytest
import torch
from torch.nn import functional

from explorer.lab.datasets import Row
from explorer.lab.worker import evaluate as module
from explorer.lab.worker.evaluate import HeldOut, encode_rows, evaluate
from explorer.lab.worker.text import IGNORED


def held_out(rows, **changes):
    values = {"task": "-", "metric": "exact-match", "system": None, "max_length": 200}
    return HeldOut(**values | {"rows": tuple(rows), "max_new_tokens": 5} | changes)


def result(turns):
    *waiting, found = turns
    assert set(waiting) <= {None}
    return found


@pytest.fixture(scope="module")
def answered(loaded, few_rows):
    """The rows with what the tiny model really answers."""
    found = result(evaluate(loaded.model, loaded.tokenizer, held_out(few_rows)))
    return [Row(prompt=e.prompt, completion=e.answer or "-") for e in found.examples]


def test_right_answers_score_one_and_wrong_ones_zero(loaded, answered, few_rows):
    right = result(evaluate(loaded.model, loaded.tokenizer, held_out(answered)))
    assert (right.value, right.high, right.rows) == (1.0, 1.0, 4)
    wrong = [Row(prompt=row.prompt, completion="zzz") for row in few_rows]
    found = result(evaluate(loaded.model, loaded.tokenizer, held_out([*answered[:2], *wrong[2:]])))
    assert found.value == 0.5
    assert found.low < 0.5 < found.high
    assert [example.score for example in found.examples] == [1, 1, 0, 0]
    assert found.examples[0].answer == answered[0].completion


def test_the_loss_is_the_mean_over_answer_tokens(loaded, few_rows):
    found = result(evaluate(loaded.model, loaded.tokenizer, held_out(few_rows)))
    total, count = 0.0, 0
    for row in encode_rows(loaded.tokenizer, few_rows, None, 200):
        with torch.no_grad():
            logits = loaded.model(input_ids=torch.tensor([row.input_ids])).logits[0, :-1]
        labels = torch.tensor(row.labels[1:])
        total += functional.cross_entropy(
            logits, labels, ignore_index=IGNORED, reduction="sum"
        ).item()
        count += int((labels != IGNORED).sum())
    assert found.loss == pytest.approx(total / count, rel=1e-4)


def test_more_rows_than_one_batch_give_the_same(loaded, answered, monkeypatch):
    whole = result(evaluate(loaded.model, loaded.tokenizer, held_out(answered)))
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 3)
    parts = result(evaluate(loaded.model, loaded.tokenizer, held_out(answered)))
    assert parts.value == whole.value
    assert parts.loss == pytest.approx(whole.loss, rel=1e-4)


def test_it_hands_over_after_every_token_and_leaves_the_mode(loaded, answered):
    loaded.model.eval()
    turns = list(evaluate(loaded.model, loaded.tokenizer, held_out(answered)))
    assert 4 <= len(turns) <= 8
    assert not loaded.model.training
