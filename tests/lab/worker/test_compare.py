import math

import pytest
import torch

from explorer.catalogue.errors import ExplorerError
from explorer.lab.events import ColumnDone, Progress, SelfCheck, Token
from explorer.lab.job import TrainJob
from explorer.lab.request import CompareRequest
from explorer.lab.runs import Result, create_run
from explorer.lab.worker import selfcheck
from explorer.lab.worker.adapters import save_adapter
from explorer.lab.worker.compare import compare
from explorer.lab.worker.text import encode_prompt, messages_of
from explorer.lab.worker.view import privatize
from explorer.methods.attach import attach

pytestmark = pytest.mark.usefixtures("runs_here")


def finished_run(loaded, base, method, strength=0.1, **job):
    """A run with an adapter that changes answers (not at all with strength 0)."""
    values = {"base": base, "task": "-", "method": method, "steps": 1, "learning_rate": 1e-3}
    run = create_run(TrainJob(**values | job))
    torch.manual_seed(3)
    model = attach(loaded.view(), method)
    privatize(model, loaded.model)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += strength * torch.randn_like(parameter)
    save_adapter(model, run.adapter, "b")
    run.finish(Result.of(run.job, "done", ""))
    return run


def ask(base, columns, **changes):
    values = {"columns": columns, "messages": [{"role": "user", "content": "a red fox"}]}
    values |= {"base": base, "precision": "float32", "sampling": {"max_new_tokens": 5}}
    return CompareRequest(**values | changes)


def of_kind(events, kind):
    return [event for event in events if isinstance(event, kind)]


def test_every_column_answers_as_its_own_model_does(shelf, loaded, tiny_base):
    runs = [finished_run(loaded, tiny_base, m) for m in ("lora", "llama-adapter-v1", "full")]
    columns = ["base", *(run.id for run in runs)]
    events = list(compare(ask(tiny_base, columns), shelf))
    answers = {done.column: done for done in of_kind(events, ColumnDone)}
    assert list(answers) != []
    assert set(answers) == set(columns)
    prompt = encode_prompt(loaded.tokenizer, messages_of("a red fox", None))
    ids = torch.tensor([prompt])
    own = loaded.model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=5, do_sample=False
    )[0, len(prompt) :]
    assert answers["base"].text == loaded.tokenizer.decode(own, skip_special_tokens=True)
    for column, done in answers.items():
        tokens = [token for token in of_kind(events, Token) if token.column == column]
        assert "".join(token.text for token in tokens) == done.text
        assert [token.index for token in tokens] == list(range(done.tokens))
        assert all(token.logprob <= 0 for token in tokens)
        assert done.prompt_tokens == len(prompt)


def test_columns_stream_together(shelf, loaded, tiny_base):
    run = finished_run(loaded, tiny_base, "lora")
    events = list(compare(ask(tiny_base, ["base", run.id]), shelf))
    first = [token.column for token in of_kind(events, Token)][:4]
    assert first.count("base") == 2


def test_the_self_check_passes_for_the_base_and_for_an_adapter_that_changes_answers(
    shelf, loaded, tiny_base
):
    runs = [finished_run(loaded, tiny_base, m) for m in ("lora", "llama-excitor")]
    same = finished_run(loaded, tiny_base, "lora", strength=0)
    request = ask(tiny_base, ["base", *(run.id for run in runs), same.id])
    checks = {c.column: c for c in of_kind(compare(request, shelf), SelfCheck)}
    assert checks["base"].passed
    assert checks["base"].max_difference < 1e-4
    for run in runs:
        assert checks[run.id].passed, checks[run.id]
        assert checks[run.id].kl > 1e-4
        assert checks[run.id].max_difference > 0.01
    assert not checks[same.id].passed
    assert checks[same.id].note == "this adapter changes nothing at this prompt"


def test_the_self_check_notices_a_base_that_was_changed(shelf, loaded, tiny_base):
    norm = loaded.model.model.norm.weight
    kept = norm.data.clone()
    norm.data[0] += 0.5
    try:
        (check,) = of_kind(compare(ask(tiny_base, ["base"]), shelf), SelfCheck)
    finally:
        norm.data.copy_(kept)
    assert not check.passed
    assert "have changed since they were loaded" in check.note


def test_the_self_check_notices_a_column_that_is_served_by_another_model(
    shelf, loaded, tiny_base, monkeypatch
):
    run = finished_run(loaded, tiny_base, "lora")
    honest = selfcheck.make_lanes

    def swapped(columns):
        lanes = honest(columns)
        for lane in lanes:
            lane.columns = [1 - place for place in lane.columns]
        return lanes

    monkeypatch.setattr(selfcheck, "make_lanes", swapped)
    checks = of_kind(compare(ask(tiny_base, ["base", run.id]), shelf), SelfCheck)
    assert [check.passed for check in checks] == [False, False]


def test_the_divergence_is_the_sum_over_the_vocabulary(shelf, loaded, tiny_base):
    run = finished_run(loaded, tiny_base, "lora")
    (check,) = of_kind(compare(ask(tiny_base, [run.id]), shelf), SelfCheck)
    prompt = encode_prompt(loaded.tokenizer, messages_of("a red fox", None))
    from_base = selfcheck.alone(loaded.model, prompt).log_softmax(-1)
    model = next(model for (name, _), model in loaded.adapters.items() if name == run.id)
    own = selfcheck.alone(model, prompt).log_softmax(-1)
    kl = sum(math.exp(p) * (p - q) for p, q in zip(own.tolist(), from_base.tolist(), strict=True))
    assert check.kl == pytest.approx(kl, rel=1e-3)


def test_a_quantized_run_stands_on_its_quantized_base(shelf, loaded, tiny_base):
    run = finished_run(loaded, tiny_base, "lora", quantization="nf4")
    events = list(compare(ask(tiny_base, ["base", run.id]), shelf))
    assert len(of_kind(events, ColumnDone)) == 2
    assert any(base.quantization == "nf4" for base in shelf.loaded.values())
    assert all(check.passed for check in of_kind(events, SelfCheck))


def test_an_adapter_is_loaded_once(shelf, loaded, tiny_base):
    run = finished_run(loaded, tiny_base, "lora")
    request = ask(tiny_base, [run.id])
    assert of_kind(compare(request, shelf), Progress)
    assert not of_kind(compare(request, shelf), Progress)


def test_a_run_on_another_base_is_refused(shelf, loaded, tiny_base):
    run = finished_run(loaded, "tinyllama-1.1b", "lora")
    with pytest.raises(ExplorerError, match=r"was trained on 'tinyllama-1\.1b'"):
        list(compare(ask(tiny_base, ["base", run.id]), shelf))


def test_sampling_with_a_seed_is_repeatable(shelf, tiny_base):
    sampling = {"temperature": 1.5, "max_new_tokens": 8}

    def answer(seed):
        events = compare(ask(tiny_base, ["base"], sampling=sampling, seed=seed), shelf)
        return [token.token_id for token in of_kind(events, Token)]

    assert answer(1) == answer(1)
    assert any(answer(1) != answer(seed) for seed in range(2, 6))
