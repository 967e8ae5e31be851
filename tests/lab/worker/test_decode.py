import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from explorer.lab.worker.decode import Decoding
from explorer.lab.worker.evaluate import greedy
from explorer.lab.worker.view import view
from explorer.methods.attach import attach

METHODS = [
    None, "lora", "llama-adapter-v1", "llama-adapter-v2", "llama-excitor", "prompt-tuning",
    "prefix-tuning", "p-tuning", "ia3",
]  # fmt: skip
PROMPTS = [[70, 81, 95, 103, 88, 12, 44], [77, 13, 50], [91, 92]]


@pytest.fixture(scope="module")
def tokenizer(tiny_base):
    return AutoTokenizer.from_pretrained(tiny_base)


@pytest.fixture(scope="module")
def base(tiny_base):
    return AutoModelForCausalLM.from_pretrained(tiny_base).eval()


def switched_on(base, method):
    """The method on a view of the base, every trainable tensor away from its neutral start."""
    if method is None:
        return base
    torch.manual_seed(1)
    model = attach(view(base), method)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.3 * torch.randn_like(parameter)
    return model.eval()


def answers(model, tokenizer, prompts, limit):
    """What the model says, as text, with what it took to say it."""
    decoding = Decoding(model, 0)
    *waiting, told = greedy(decoding, decoding.start(prompts), limit, {tokenizer.eos_token_id})
    return [tokenizer.decode(ids, skip_special_tokens=True) for ids in told], waiting


# peft tells that its own generate ignores positions, which count from 0 there anyway
@pytest.mark.filterwarnings("ignore:Position ids are not supported:UserWarning")
@pytest.mark.parametrize("method", METHODS)
def test_a_padded_batch_answers_as_transformers_does_row_by_row(base, tokenizer, method):
    model = switched_on(base, method)
    together, _ = answers(model, tokenizer, PROMPTS, 8)
    for prompt, answer in zip(PROMPTS, together, strict=True):
        ids = torch.tensor([prompt])
        out = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False
        )
        # prompt-learning methods give back the new tokens only, after the prompt, as the others do
        assert tokenizer.decode(out[0, len(prompt) :], skip_special_tokens=True) == answer


@pytest.mark.parametrize("method", METHODS)
def test_step_by_step_equals_the_whole_sequence_at_once(base, method):
    model = switched_on(base, method)
    decoding = Decoding(model, 0)
    stepwise = [decoding.start([PROMPTS[0][:3]])]
    stepwise += [decoding.step(torch.tensor([token])) for token in PROMPTS[0][3:]]
    ids = torch.tensor([PROMPTS[0]])
    with torch.no_grad():
        whole = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
    whole = whole[:, -len(PROMPTS[0]) :][:, 2:]  # without the virtual tokens' places
    assert torch.allclose(torch.stack(stepwise, dim=1), whole, atol=2e-4)


def test_answers_end_where_the_turn_ends(base, tokenizer):
    model = view(base)
    end = tokenizer.eos_token_id
    with torch.no_grad():  # every answer begins with the end of the turn
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
        model.model.norm.weight.data = model.model.norm.weight.data.clone()
        hidden = model.model(input_ids=torch.tensor([[70]])).last_hidden_state[0, -1]
        model.lm_head.weight[end] = hidden * 100
    assert answers(model, tokenizer, [[70]], 8) == ([""], [])


@pytest.mark.parametrize("method", METHODS)
def test_losses_of_given_answers_are_those_of_a_plain_forward_and_leave_no_trace(base, method):
    model = switched_on(base, method)
    given = [[81, 90], [44, 95, 103, 77], [60]]
    decoding, untouched = Decoding(model, 0), Decoding(model, 0)
    first = decoding.start(PROMPTS)
    losses = decoding.losses(first, given).tolist()
    for prompt, answer in zip(PROMPTS, given, strict=True):
        ids = torch.tensor([prompt + answer])
        with torch.no_grad():
            out = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
        predicted = out.logits[0, -len(answer) - 1 : -1].log_softmax(-1)
        for token, distribution in zip(answer, predicted, strict=True):
            assert losses.pop(0) == pytest.approx(-distribution[token].item(), abs=1e-4)
    assert not losses
    untouched.start(PROMPTS)
    token = torch.tensor([70, 71, 72])
    assert torch.allclose(decoding.step(token), untouched.step(token), atol=1e-5)
