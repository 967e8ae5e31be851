"""Operations against torch's own counter: by method, checkpointing, batch, and with experts."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from explorer.budget.flops import text_weights
from explorer.budget.forecast import forecast
from explorer.budget.plan import make_plan
from explorer.catalogue.catalogue import load_catalogue
from tests.budget.stepping import llama_4, mllama, small, small_budget, step_of

CASES = [
    {"method": "full"},
    {"method": "lora"},
    {"method": "lora", "batch": 1, "length": 256, "attention": "eager"},
    {"method": "lora", "knobs": {"target_modules": "down_proj,lm_head", "r": 64}},
    {"method": "lora", "knobs": {"layers_to_transform": "2"}},
    {"method": "lora", "knobs": {"use_dora": True}},
    {"method": "lora", "knobs": {"use_dora": True, "lora_dropout": 0.1}, "checkpointing": True},
    {"method": "lora", "checkpointing": True},
    {"method": "full", "checkpointing": True},
    {"method": "llama-adapter-v1", "knobs": {"adapter_layers": 1}},
    {"method": "llama-adapter-v1", "knobs": {"adapter_layers": 3}},
    {"method": "llama-adapter-v1", "knobs": {"adapter_layers": 1}, "checkpointing": True},
    {"method": "llama-adapter-v2"},
    {"method": "llama-adapter-v2", "knobs": {"variant": "paper", "r": 16}},
    {"method": "llama-excitor", "knobs": {"adapter_layers": 2}},
    {"method": "prefix-tuning"},
    {"method": "prompt-tuning"},
    {"method": "ia3"},
    {"method": "norms-and-biases", "length": 64, "batch": 3},
]


def plain(case):
    return {"parameter_dtype": "float32", "compute_dtype": "float32"} | case


def attention(query, key, value, *_, out_shape, **__):
    """Scores and weighted values: torch's counter knows the kernels of GPUs only."""
    batch, heads, rows, width = query
    return 4 * batch * heads * rows * key[-2] * width


def attention_backward(gradient, query, key, value, *_, out_shape, **__):
    """The scores again and four gradients, as torch counts it for GPUs."""
    return attention(query, key, value, out_shape=None) * 5 // 2


def counter():
    aten = torch.ops.aten
    kernels = {
        aten._scaled_dot_product_flash_attention_for_cpu: attention,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: attention_backward,
    }
    return FlopCounterMode(display=False, custom_mapping=kernels)


def counted(step):
    with counter() as forward:
        loss = step.forward()
    with counter() as backward:
        loss.backward()
    return forward.get_total_flops(), backward.get_total_flops()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_operations_are_those_that_torch_counts(case):
    budget = small_budget(small(vocab_size=512), **plain(case))
    forward, backward = counted(step_of(budget))
    flops = budget.flops
    assert flops.forward == pytest.approx(forward, rel=0.01)
    assert flops.backward + flops.recompute == pytest.approx(backward, rel=0.01)
    assert flops.per_step == pytest.approx(forward + backward, rel=0.01)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize(("method", "passes"), [("lora", 2), ("full", 3)])
def test_experts_that_a_token_is_not_sent_to_are_set_aside(method, passes, checkpointing):
    case = plain({"method": method, "checkpointing": checkpointing})
    flops = small_budget(llama_4(), **case).flops
    forward, backward = counted(step_of(small_budget(llama_4(), **case)))
    assert flops.per_step + flops.idle == pytest.approx(forward + backward, rel=0.01)
    each = 2 * 256 * 3 * 256 * 192  # an expert on all 256 tokens: 2 · tokens · 3 · h · i
    assert flops.idle == 2 * 3 * each * (passes + checkpointing)


def test_layers_below_the_first_adapter_are_not_gone_back_through():
    whole = small_budget(small(), **plain({"method": "lora"})).flops
    top = small_budget(
        small(), **plain({"method": "lora", "knobs": {"layers_to_transform": "2"}})
    ).flops
    assert top.forward < whole.forward
    assert top.backward < whole.backward / 2


def test_a_forward_of_inference_is_what_torch_counts():
    case = plain({"mode": "inference", "method": "full", "length": 256, "prompt": 256, "batch": 2})
    budget = small_budget(small(vocab_size=512), **case)
    model = step_of(small_budget(small(vocab_size=512), **plain({"method": "full"}))).model
    ids = torch.ones(2, 256, dtype=torch.long)
    with torch.no_grad(), counter() as forward:
        model(ids, use_cache=False, logits_to_keep=1)
    assert budget.flops.forward == pytest.approx(forward.get_total_flops(), rel=0.01)


@pytest.mark.parametrize("arch", [mllama(), llama_4()], ids=lambda arch: arch.model_type)
def test_a_forward_of_inference_in_other_families_is_what_torch_counts(arch):
    case = plain({"mode": "inference", "method": "full", "length": 48, "prompt": 48, "batch": 2})
    flops = small_budget(arch, **case).flops
    model = step_of(small_budget(arch, **plain({"method": "full"}))).model
    ids = torch.ones(2, 48, dtype=torch.long)
    with torch.no_grad(), counter() as forward:
        model(ids, use_cache=False, logits_to_keep=1)
    assert flops.forward + flops.idle == pytest.approx(forward.get_total_flops(), rel=0.01)
    assert (flops.idle > 0) == arch.is_moe


def test_without_an_image_llama_3_2_vision_costs_a_token_what_llama_3_1_does():
    values = {"mode": "inference", "length": 2048}
    seeing, reading = (
        forecast(make_plan(model=model, **values), load_catalogue()).flops.per_token
        for model in ("llama-3.2-11b-vision", "llama-3.1-8b")
    )
    assert seeing == reading


def test_a_token_costs_twice_the_weights_it_meets():
    catalogue = load_catalogue()
    values = {"mode": "inference", "method": "full", "length": 1, "prompt": 1}
    for model, published in (
        ("llama-3.1-8b", 8_030_261_248 - 128_256 * 4096),
        ("llama-4-scout-17b-16e", 17_172_894_720 - 202_048 * 5120),
    ):
        budget = forecast(make_plan(model=model, **values), catalogue)
        assert budget.flops.per_token == pytest.approx(2 * published, rel=0.001)
        assert text_weights(budget.resolved) < published
