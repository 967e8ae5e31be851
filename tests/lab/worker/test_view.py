import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from explorer.catalogue.errors import ExplorerError
from explorer.lab.worker.adapters import put_on, save_adapter
from explorer.lab.worker.shelf import bitsandbytes_settings
from explorer.lab.worker.view import nbytes, privatize, view
from explorer.methods.attach import attach
from explorer.methods.quantization import prepare_quantized
from explorer.methods.registry import names, records
from tests.methods import contract

IDS = torch.arange(24).reshape(2, 12)


@pytest.fixture
def base():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=97, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True,
    )  # fmt: skip
    return LlamaForCausalLM(config).requires_grad_(False).eval()


def logits(model):
    with torch.no_grad():
        return model(input_ids=IDS, use_cache=False).logits


def test_a_view_shares_every_weight_and_stays_tied(base):
    other = view(base)
    assert other is not base
    assert all(
        a.data_ptr() == b.data_ptr() and a is not b
        for a, b in zip(base.parameters(), other.parameters(), strict=True)
    )
    assert other.lm_head.weight is other.model.embed_tokens.weight
    assert torch.equal(logits(base), logits(other))


@pytest.mark.parametrize("method", ["lora", "llama-adapter-v1", "norms-and-biases", "full"])
def test_training_on_a_view_leaves_the_base_bit_for_bit(base, method):
    before = {name: p.clone() for name, p in base.named_parameters()}
    untouched = logits(base)
    model = attach(view(base), method)
    privatize(model, base)
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        model(input_ids=IDS, labels=IDS, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    assert (logits(model) - untouched).abs().max() > 1e-3
    assert torch.equal(logits(base), untouched)
    assert all(torch.equal(p, before[name]) for name, p in base.named_parameters())
    assert not any(p.requires_grad for p in base.parameters())
    assert not base.training


def test_only_what_trains_is_copied(base):
    model = attach(view(base), "norms-and-biases")
    copied = privatize(model, base)
    norms = sum(p.nbytes for n, p in base.named_parameters() if "norm" in n)
    assert copied == norms
    shared = {p.data_ptr() for p in base.parameters()}
    private = [n for n, p in model.named_parameters() if p.data_ptr() not in shared]
    assert private == [n for n, _ in model.named_parameters() if "norm" in n]


def test_what_is_copied_keeps_its_type_and_stays_tied(base):
    model = attach(view(base.bfloat16()), "full")
    privatize(model, base)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_bytes_count_a_tied_head_once(base):
    assert nbytes(base) >= sum(p.nbytes for p in base.parameters())
    assert nbytes(base) < sum(p.nbytes for p in base.parameters()) + 10_000  # rotary buffers


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_a_view_of_a_quantized_base_holds_the_same_weights(tiny_base, quantization):
    settings = bitsandbytes_settings(quantization, True, torch.float32)
    quantized = AutoModelForCausalLM.from_pretrained(
        tiny_base, quantization_config=settings, dtype=torch.float32, device_map={"": "cpu"}
    )
    prepare_quantized(quantized.eval())
    untouched = logits(quantized)
    model = attach(view(quantized), "lora", {"r": 2})
    for _ in range(2):
        model(input_ids=IDS, labels=IDS, use_cache=False).loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter -= parameter.grad.sign()
    assert (logits(model) - untouched).abs().max() > 1e-3
    assert torch.equal(logits(quantized), untouched)
    mine = model.get_base_model().model.layers[0].mlp.up_proj.weight
    assert mine.data_ptr() == quantized.model.layers[0].mlp.up_proj.weight.data_ptr()
    weights = sum(p.nbytes for p in quantized.parameters())
    assert weights < nbytes(quantized) < 1.5 * weights  # with the quantization state


def every_start():
    """Every method as it is, and with every other choice that one of its knobs offers."""
    for name in names():
        method, tiny = records()[name], contract.TINY.get(name, {})
        yield pytest.param(name, tiny, id=name)
        for knob_name, knob in method.knobs.items():
            choices = (True, False) if knob.type == "bool" else knob.choices
            for choice in [one for one in choices if one != knob.default]:
                changed = tiny | {knob_name: choice}
                yield pytest.param(name, changed, id=f"{name}-{knob_name}-{choice}")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("method", "knobs"), tuple(every_start()))
def test_no_start_of_any_method_writes_into_the_base(base, method, knobs):
    before = logits(base)
    try:
        attach(view(base), method, knobs)
    except ExplorerError:  # a choice that does not go with the others
        assert knobs != contract.TINY.get(method, {})
    assert torch.equal(logits(base), before)


def test_an_adapter_that_changes_the_frozen_weight_loads_again_and_again(base, tmp_path):
    before = logits(base)
    made = attach(view(base), "lora", {"init_lora_weights": "olora"})
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "lora_B" in name:
                parameter += 0.1 * torch.randn_like(parameter)
    save_adapter(made, tmp_path / "adapter", "base")
    for _ in range(3):
        again = put_on(view(base), tmp_path / "adapter", "base")
        torch.testing.assert_close(logits(again), logits(made))
        assert torch.equal(logits(base), before)
