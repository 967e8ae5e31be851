import copy
import math
import re

import pytest
import torch

from explorer.lab.worker.evaluate import encode_rows
from explorer.lab.worker.inside import changes, look_inside
from explorer.lab.worker.text import collate, pad_id
from explorer.lab.worker.view import privatize
from explorer.methods import registry
from explorer.methods.attach import attach
from tests.lab.worker.conftest import take
from tests.methods import contract


@pytest.fixture
def batch(loaded, few_rows):
    rows = encode_rows(loaded.tokenizer, few_rows, None, 200)
    return collate(rows, pad_id(loaded.tokenizer), torch.device("cpu"))


def disturbed(loaded, method, knobs=None):
    """An adapter whose trained tensors are all away from where they began."""
    torch.manual_seed(0)
    model = attach(loaded.view(), method, knobs or {})
    privatize(model, loaded.model)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3 * torch.randn_like(parameter).to(parameter.dtype))
    return model


def merged_weights(model):
    model = copy.deepcopy(model)  # merging writes into the weights, which the view shares
    plain = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
    return dict(plain.named_parameters())


@pytest.mark.parametrize(
    ("method", "knobs"),
    [
        ("lora", {"r": 2, "target_modules": ["q_proj", "down_proj"]}),
        ("lora", {"r": 4, "use_rslora": True}),
        ("llama-adapter-v2", {}),
        ("full", {}),
    ],
)
def test_changes_are_those_of_the_merged_weights(loaded, method, knobs):
    model = disturbed(loaded, method, knobs)
    found = {(c.layer, c.site): c for c in changes(model, loaded.model)}
    merged, base = merged_weights(model), dict(loaded.model.named_parameters())
    for (layer, site), change in found.items():
        block = "mlp" if site in ("gate_proj", "up_proj", "down_proj") else "self_attn"
        name = f"model.layers.{layer}.{block}.{site}.weight"
        delta = merged[name].float() - base[name].float()
        assert change.norm == pytest.approx(delta.norm().item(), rel=1e-3), name
        assert change.relative == pytest.approx((delta.norm() / base[name].norm()).item(), rel=1e-3)
        if method == "lora":
            values = torch.linalg.svdvals(delta)[: len(change.singular)]
            assert change.singular == pytest.approx(values.tolist(), rel=1e-2)
            assert len(change.singular) == knobs["r"]
    sites = knobs.get("target_modules", ["q_proj", "v_proj"] if method == "lora" else [0] * 7)
    assert len(found) == 2 * len(sites)


def test_an_untrained_adapter_moves_nothing(loaded, batch):
    inside = look_inside(attach(loaded.view(), "lora", {"r": 2}), loaded.model, batch)
    assert [moved.relative for moved in inside.moved] == [0.0, 0.0]
    assert all(change.norm == 0 for change in inside.changes)
    assert inside.tokens == int(batch.attention_mask.sum())


def test_layers_below_the_first_adapter_do_not_move(loaded, batch):
    model = disturbed(loaded, "llama-adapter-v1", {"adapter_layers": 1})
    first, second = look_inside(model, loaded.model, batch).moved
    assert first.relative == 0
    assert second.relative > 0


def test_the_prompts_share_is_that_of_their_gates(loaded, batch):
    model = disturbed(loaded, "llama-adapter-v1", {"adapter_layers": 1, "adapter_len": 3})
    (prompted,) = look_inside(model, loaded.model, batch).prompted
    (gate,) = (p for n, p in model.named_parameters() if "llama_adapter_gate" in n)
    size = torch.tanh(gate).abs()
    assert prompted.layer == 1
    assert prompted.gate == pytest.approx(size.mean().item())
    assert prompted.mass == pytest.approx((size / (1 + size)).mean().item())
    assert len(prompted.by_prompt) == 3
    assert sum(prompted.by_prompt) == pytest.approx(1, abs=1e-5)


def test_a_prompt_that_every_query_likes_gets_all(loaded, batch):
    model = disturbed(loaded, "llama-adapter-v1", {"adapter_layers": 1, "adapter_len": 2})
    (prompt,) = (p for n, p in model.named_parameters() if "llama_adapter_prompt" in n)
    with torch.no_grad():
        prompt[0].zero_()
        prompt[1].mul_(1e3)
    (prompted,) = look_inside(model, loaded.model, batch).prompted
    # A query meets the long prompt with either sign: it takes all of the softmax, or nothing.
    assert 0.01 < prompted.by_prompt[0] < 0.99
    assert "prompt_term" not in vars(model.get_base_model().model.layers[1].self_attn)


@pytest.mark.parametrize("method", ["qlora", "llama-adapter-v2"])
def test_a_quantized_base_is_looked_into_too(shelf, tiny_base, batch, method):
    quantized = take(shelf, tiny_base, quantization="nf4")
    inside = look_inside(disturbed(quantized, method), quantized.model, batch)
    assert len(inside.changes) == 14
    assert all(change.relative > 0 for change in inside.changes)


@pytest.mark.filterwarnings("ignore")  # peft's own, as in the contract of the methods
@pytest.mark.parametrize("method_id", registry.names())
def test_every_method_can_be_looked_into_and_its_changes_are_those_of_a_merge(method_id):
    base = contract.ready(method_id)
    model = contract.stir(contract.attached(method_id))
    found = list(changes(model, base))
    record = registry.record(method_id)
    quantized = record.recipe is not None  # a merge rounds again
    if not record.merges or quantized:
        return
    before = dict(base.named_parameters())
    merged = dict(model.merge_and_unload().named_parameters())
    for change in found:
        place = re.compile(rf"layers\.{change.layer}\..*{change.site}\.weight$")
        (name,) = [name for name in merged if place.search(name)]
        wanted = (merged[name] - before[name]).norm().item()
        assert change.norm == pytest.approx(wanted, rel=1e-3, abs=1e-4), name
        if change.singular:
            assert math.hypot(*change.singular) == pytest.approx(change.norm, rel=1e-3)
