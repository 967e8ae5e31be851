import pytest
import torch
from torch.nn import functional

from explorer.lab.job import TrainJob
from explorer.lab.worker.evaluate import answer_loss, encode_rows, forward
from explorer.lab.worker.text import IGNORED, batches, pad_id
from explorer.lab.worker.trainer import (
    DivergedError,
    Done,
    Trainer,
    checkpoint_activations,
)
from explorer.lab.worker.view import nbytes, privatize
from explorer.methods.attach import attach


def trainer(loaded, few_rows, method="lora", **settings):
    values = {"task": "-", "method": method, "steps": 4, "batch_size": 2, "learning_rate": 1e-2}
    job = TrainJob(**values | settings)
    rows = encode_rows(loaded.tokenizer, few_rows, None, 200)
    torch.manual_seed(job.seed)
    model = attach(loaded.view(), method, {"r": 2} if method == "lora" else {})
    privatize(model, loaded.model)
    return Trainer(model, job, rows, pad_id(loaded.tokenizer))


def losses(training):
    return [done.loss for done in training.steps() if isinstance(done, Done)]


@pytest.mark.parametrize("method", ["lora", "llama-adapter-v1", "full"])
def test_the_same_seed_gives_the_same_losses_and_another_does_not(loaded, few_rows, method):
    first = losses(trainer(loaded, few_rows, method))
    assert losses(trainer(loaded, few_rows, method)) == pytest.approx(first, abs=1e-6)
    assert losses(trainer(loaded, few_rows, method, seed=1)) != pytest.approx(first, abs=1e-6)


def test_a_step_is_what_a_plain_loop_does(loaded, few_rows):
    """AdamW by hand over the mean cross entropy of the answer tokens, row by row, unpadded."""
    training = trainer(loaded, few_rows, learning_rate=1e-2, warmup_steps=0, clip=0.5)
    plain = trainer(loaded, few_rows, learning_rate=1e-2, warmup_steps=0, clip=0.5)
    parameters = plain.trainable
    optimizer = torch.optim.AdamW(parameters, lr=1e-2, weight_decay=0.0)
    order = batches(len(plain.rows), 2, 0)
    plain.model.train()
    for done in (done for done in training.steps() if isinstance(done, Done)):
        total, count = 0.0, 0
        for number in next(order):
            row = plain.rows[number]
            ids, labels = torch.tensor([row.input_ids]), torch.tensor(row.labels[1:])
            logits = plain.model(input_ids=ids, use_cache=False).logits[0, :-1]
            total = total + functional.cross_entropy(
                logits, labels, ignore_index=IGNORED, reduction="sum"
            )
            count += int((labels != IGNORED).sum())
        loss = total / count
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, 0.5)
        for group in optimizer.param_groups:
            group["lr"] = training.job.rate_at(done.step)
        optimizer.step()
        optimizer.zero_grad()
        assert done.loss == pytest.approx(loss.item(), abs=1e-5)
        assert done.gradient_norm == pytest.approx(norm.item(), rel=1e-3)


def test_a_share_without_rows_adds_nothing(loaded, few_rows):
    """A batch may have fewer rows than there are processes; the others still go along."""
    training = trainer(loaded, few_rows)
    training.sharing.share = lambda numbers: []
    batch = training._batch([2, 1])
    summed, answers = answer_loss(forward(training.model, batch), batch)
    summed.backward()
    assert (float(summed.detach()), answers, batch.tokens) == (0.0, 0, 0)
    assert all(not p.grad.any() for p in training.trainable)


def test_it_hands_over_between_forward_and_backward(loaded, few_rows):
    kinds = [type(item) for item in trainer(loaded, few_rows, steps=2).steps()]
    assert kinds == [type(None), Done, type(None), Done]


def test_only_the_adapter_moves(loaded, few_rows):
    training = trainer(loaded, few_rows, steps=3, warmup_steps=0)
    before = {n: p.clone() for n, p in training.model.named_parameters()}
    losses(training)
    moved = {n for n, p in training.model.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {n for n, p in training.model.named_parameters() if p.requires_grad}


def test_gradient_checkpointing_gives_the_same_losses_in_less_memory(loaded, few_rows):
    plain = trainer(loaded, few_rows, batch_size=4)
    saving = trainer(loaded, few_rows, batch_size=4)
    checkpoint_activations(saving.model.get_base_model())
    assert losses(saving) == pytest.approx(losses(plain), abs=1e-5)
    assert saving.peak()[1]["activations"] < 0.8 * plain.peak()[1]["activations"]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_peak_is_made_of_its_parts(loaded, few_rows, method):
    training = trainer(loaded, few_rows, method)
    losses(training)
    peak, parts = training.peak()
    trainable = sum(p.nbytes for p in training.trainable)
    assert sum(parts.values()) == peak
    assert parts["trainable"] == parts["gradients"] == trainable
    assert parts["base"] + trainable == nbytes(training.model)
    # two moments and a step count for each tensor
    assert parts["optimizer"] == 2 * trainable + 4 * len(training.trainable)
    assert parts["activations"] > 0


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_number_that_is_none_ends_training_and_leaves_the_weights(loaded, few_rows, what):
    training = trainer(loaded, few_rows, steps=5, warmup_steps=0)
    steps = training.steps()
    for _ in range(4):
        next(steps)
    good = [p.clone() for p in training.trainable]
    if what == "loss":
        hook = training.model.get_output_embeddings().register_forward_hook(
            lambda module, given, output: output * float("nan")
        )
    else:
        hook = training.trainable[0].register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(DivergedError, match=rf"the {what} became (nan|inf) at step 3 with"):
        list(steps)
    hook.remove()
    assert all(torch.equal(p, q) for p, q in zip(training.trainable, good, strict=True))
