"""The key-value cache against what transformers' own cache holds."""

import pytest
import torch
from transformers import DynamicCache

from explorer.budget.forecast import forecast
from explorer.budget.kv import cache_bytes, cached_layers, longest_context, token_bytes
from explorer.budget.plan import make_plan
from explorer.catalogue.catalogue import load_catalogue
from tests.budget.meta import build
from tests.budget.stepping import llama_4, mllama, small, small_budget

CATALOGUE = load_catalogue()
SCOUT = CATALOGUE.model("llama-4-scout-17b-16e").architecture


def held(cache):
    return sum(
        layer.keys.nbytes + layer.values.nbytes for layer in cache.layers if layer.keys is not None
    )


@pytest.mark.parametrize(
    ("arch", "context"),
    [
        (small(), 40),
        (small(num_key_value_heads=1), 7),
        (llama_4(), 30),
        (llama_4(), 63),
        (mllama(), 20),
    ],
    ids=str,
)
def test_a_cache_weighs_what_transformers_holds(arch, context):
    model = build(arch).eval()
    text = getattr(model.config, "text_config", model.config)
    cache = DynamicCache(config=text)
    with torch.no_grad():
        model(torch.ones(2, context, dtype=torch.long), past_key_values=cache, use_cache=True)
    assert held(cache) == cache_bytes(arch, context, batch=2, kv_bytes=4)


def test_past_its_chunk_a_rotating_layer_keeps_a_token_less_than_that():
    model = build(llama_4()).eval()
    cache = DynamicCache(config=model.config)
    with torch.no_grad():
        model(torch.ones(1, 100, dtype=torch.long), past_key_values=cache, use_cache=True)
    token = token_bytes(llama_4(), 4) / 3  # in one layer
    assert held(cache) == cache_bytes(llama_4(), 100, kv_bytes=4) - 2 * token


# bfloat16, one sequence; transformers' cache and the arithmetic of peers
@pytest.mark.parametrize(
    ("model", "context", "gib"),
    [
        ("llama-2-7b", 4096, 2.0),
        ("llama-3-8b", 4096, 0.5),
        ("llama-3.2-1b", 4096, 0.125),
        ("llama-3.2-3b", 4096, 0.4375),
        ("llama-4-scout-17b-16e", 4096, 0.75),
        ("llama-4-scout-17b-16e", 131_072, 7.125),
        ("llama-4-scout-17b-16e", 10_485_760, 481.125),
    ],
)
def test_contexts_weigh_what_was_measured(model, context, gib):
    assert cache_bytes(CATALOGUE.model(model).architecture, context) / 2**30 == gib


def test_llama_4_caches_the_whole_context_in_every_fourth_layer_only():
    assert cached_layers(SCOUT) == (12, 36)
    chunk = SCOUT.attention_chunk_size
    per_token = token_bytes(SCOUT)
    assert cache_bytes(SCOUT, chunk) == per_token * chunk
    assert cache_bytes(SCOUT, chunk + 1) - cache_bytes(SCOUT, chunk) == per_token / 4


@pytest.mark.parametrize("arch", [SCOUT, CATALOGUE.model("llama-3.1-70b").architecture])
@pytest.mark.parametrize("free", [0, 10**6, 10**9, 3 * 10**9, 10**11])
@pytest.mark.parametrize("size", [0.5, 1, 2])
def test_the_longest_context_is_the_last_that_fits(arch, free, size):
    context = longest_context(arch, free, batch=3, kv_bytes=size)
    assert cache_bytes(arch, context, 3, size) <= free
    assert cache_bytes(arch, context + 1, 3, size) > free


def test_where_every_layer_keeps_a_chunk_no_context_is_too_long():
    arch = llama_4().model_copy(update={"no_rope_layers": ()})
    chunk = arch.attention_chunk_size
    full = cache_bytes(arch, chunk)
    assert cache_bytes(arch, 10**9) == full
    assert longest_context(arch, full) is None
    assert longest_context(arch, full - 1) == chunk - 1
    assert longest_context(llama_4(), full) is not None
    told = small_budget(arch, mode="inference", length=64).to_dict()["kv"]
    assert told["longest_context"] is None
    assert "no context is too long" in told["note"]
    assert small_budget(small(), mode="inference").to_dict()["kv"]["note"] is None


def test_a_quantized_cache_is_half_and_a_quarter():
    sizes = [
        forecast(
            make_plan(model="llama-3.1-8b", mode="inference", length=8192, kv_dtype=dtype),
            CATALOGUE,
        ).memory.terms["kv_cache"]
        for dtype in ("bfloat16", "int8", "int4")
    ]
    assert sizes == [2**30, 2**29, 2**28]


def test_the_longest_context_of_a_plan_fits_and_a_longer_one_does_not():
    plan = make_plan(model="llama-3.1-8b", mode="inference", hardware="rtx-4090", prompt=64)
    longest = forecast(plan, CATALOGUE).to_dict()["kv"]["longest_context"]
    assert forecast(plan.with_values(length=longest), CATALOGUE).fit.fits
    assert not forecast(plan.with_values(length=longest + 1), CATALOGUE).fit.fits
