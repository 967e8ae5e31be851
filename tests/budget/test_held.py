"""What a method keeps frozen, against every tensor that hangs on a model it is attached to."""

import pytest
import torch
from peft import get_peft_model

from explorer.budget.held import Sizes, held_bytes
from explorer.catalogue.catalogue import load_catalogue
from explorer.methods import attach, build_config
from tests.budget.meta import build
from tests.budget.stepping import llama_4, mllama, quantized, small, small_budget
from tests.budget.tracing import hung_on, storages

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of peft's, about other uses

TINY = small(
    hidden_size=64,
    intermediate_size=224,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    vocab_size=128,
)
BIASED = TINY.model_copy(update={"attention_bias": True})
TIED = TINY.model_copy(update={"tie_word_embeddings": True})
ALL = {"target_modules": "all-linear"}
CASES = [
    (TINY, "randlora", {"r": 4} | ALL),
    (TINY, "randlora", {"r": 4, "target_modules": "gate_proj,down_proj"}),
    (TINY, "randlora", {"r": 5, "target_modules": "q_proj,lm_head"}),
    (TINY, "vera", {"r": 4} | ALL),
    (TINY, "pvera", {"r": 4} | ALL),
    (TINY, "fourierft", {"n_frequency": 50} | ALL),
    (TINY, "waveft", {"n_frequency": 50} | ALL),
    (TINY, "shira", ALL),
    (TINY, "adamss", {"num_subspaces": 3, "subspace_rank": 1} | ALL),
    (BIASED, "adamss", {"target_modules": "q_proj,v_proj"}),
    *((TINY, "osf", {"effective_rank": rank} | ALL) for rank in (1, 2, 8, 32, 63)),
    (TINY, "glora", ALL),
    (BIASED, "glora", ALL),
    (BIASED, "glora", {"config_A_B": "none", "config_C": "vector", "target_modules": "q_proj"}),
    (BIASED, "glora", {"config_C": "none", "config_D_E": "none"}),
    (TINY, "lora", {"init_lora_weights": "mica"}),
    (TINY, "lora", {"init_lora_weights": "mica", "r": 1} | ALL),
    (TINY, "lora", ALL),
    (TINY, "delora", ALL),
    (TINY, "unilora", ALL),
    (TINY, "psoft", {"r": 8} | ALL),
    (TINY, "boft", ALL),
    (TINY, "oft", {"oft_block_size": 16} | ALL),
    (TINY, "supertuning", ALL),
    *((arch, "frod", ALL) for arch in (TINY, mllama(), llama_4())),
    (TINY, "tinylora", {"r": 40} | ALL),
    (TIED, "trainable-tokens", {}),
    *((TINY, "cartridge", {"num_frozen_tokens": frozen}) for frozen in (0, 1, 4)),
]


@pytest.mark.parametrize(
    ("dtype", "widens"), [("float32", True), ("bfloat16", True), ("bfloat16", False)]
)
@pytest.mark.parametrize(("arch", "method", "knobs"), CASES, ids=str)
def test_what_is_held_beside_what_trains_is_what_hangs_on_the_model(
    arch, method, knobs, dtype, widens
):
    torch.manual_seed(0)
    base = build(arch).to(getattr(torch, dtype))
    before = sum(storages(hung_on(base)).values())
    model = _adapted(base, method, knobs, widens)
    trained = [p for p in model.parameters() if p.requires_grad]
    added = sum(storages(hung_on(model)).values()) - before
    added -= sum(p.numel() * p.element_size() for p in trained)
    record = load_catalogue().method(method)
    size = torch.finfo(getattr(torch, dtype)).bits // 8
    sizes = Sizes(size, 4 if widens else size)
    assert held_bytes(arch, record, record.read_knobs(knobs), sizes) == added


def _adapted(base, method, knobs, widens):
    """The model with the method on it; peft widens a 16-bit adapter to float32 unless told."""
    if widens:
        return attach(base, method, knobs)
    config = build_config(method, knobs)
    return get_peft_model(base.requires_grad_(False), config, autocast_adapter_dtype=False)


OTHERS = [
    method.id
    for method in load_catalogue().methods.values()
    if method.peft_type and not method.unsupported and method.id != "shadow"
]


@pytest.mark.parametrize("method", OTHERS)
def test_an_adapter_asked_for_in_16_bits_is_as_wide_as_peft_makes_it(method):
    base = build(small()).to(torch.bfloat16)
    model = _adapted(base, method, {}, widens=False)
    real = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    values = {"parameter_dtype": "bfloat16", "adapter_dtype": "bfloat16", "quantization": "none"}
    budget = small_budget(small(), method=method, **values)
    assert budget.memory.terms["adapter"] == pytest.approx(real, abs=16)


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
@pytest.mark.parametrize("method", ["lora", "vera", "ln-tuning", "llama-adapter-v2"])
def test_an_adapter_on_quantized_linears_is_as_wide_as_peft_makes_it(method, quantization):
    values = {"parameter_dtype": "bfloat16", "adapter_dtype": "bfloat16", "method": method}
    budget = small_budget(small(), quantization=quantization, **values)
    base = quantized(build(small()).to(torch.bfloat16), budget.plan)
    model = _adapted(base, method, {}, widens=False)
    real = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    assert budget.memory.terms["adapter"] == real


def test_llama_3_1_8b_holds_bases_of_the_widest_input_and_output_for_randlora():
    arch = load_catalogue().model("llama-3.1-8b").architecture
    record = load_catalogue().method("randlora")
    held = held_bytes(arch, record, record.read_knobs(ALL), Sizes(2))
    assert held == 4 * 32 * 14336 + 14336 * 448 * 32 * 4


def test_places_that_peft_leaves_on_the_host_are_not_held_on_a_gpu():
    attributes = {"fourierft": "indices", "waveft": "waveft_indices", "adamss": "scatter_index"}
    for method, attribute in attributes.items():
        record = load_catalogue().method(method)
        knobs = record.read_knobs({})
        model = attach(build(small()), method)
        layers = [m for m in model.modules() if isinstance(getattr(m, attribute, None), dict)]
        assert layers  # a plain dictionary, which `Module.to` does not move
        places = sum(t.nbytes for m in layers for t in getattr(m, attribute).values())
        here, there = (
            held_bytes(small(), record, knobs, Sizes(2), on_gpu) for on_gpu in (False, True)
        )
        assert here - there == places * (2 if method == "adamss" else 1)  # and by cluster
