"""What a method keeps frozen, against every tensor that hangs on a model it is attached to."""

import pytest
import torch

from explorer.budget.held import held_bytes
from explorer.catalogue.catalogue import load_catalogue
from explorer.methods import attach
from tests.budget.meta import build
from tests.budget.stepping import small
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
    *((TINY, "osf", {"effective_rank": rank} | ALL) for rank in (1, 2, 8, 32, 63)),
    (TINY, "glora", ALL),
    (BIASED, "glora", ALL),
    (BIASED, "glora", {"config_A_B": "none", "config_C": "vector", "target_modules": "q_proj"}),
    (BIASED, "glora", {"config_C": "none", "config_D_E": "none"}),
    (TINY, "lora", {"init_lora_weights": "mica"}),
    (TINY, "lora", {"init_lora_weights": "mica", "r": 1} | ALL),
    (TINY, "lora", ALL),
    (TINY, "tinylora", {"r": 40} | ALL),
    (TIED, "trainable-tokens", {}),
    *((TINY, "cartridge", {"num_frozen_tokens": frozen}) for frozen in (0, 1, 4)),
]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("arch", "method", "knobs"), CASES, ids=str)
def test_what_is_held_beside_what_trains_is_what_hangs_on_the_model(arch, method, knobs, dtype):
    torch.manual_seed(0)
    base = build(arch).to(getattr(torch, dtype))
    before = sum(storages(hung_on(base)).values())
    model = attach(base, method, knobs)
    trained = [p for p in model.parameters() if p.requires_grad]
    added = sum(storages(hung_on(model)).values()) - before
    added -= sum(p.numel() * p.element_size() for p in trained)
    record = load_catalogue().method(method)
    size = torch.finfo(getattr(torch, dtype)).bits // 8
    assert held_bytes(arch, record, record.read_knobs(knobs), size) == added


def test_llama_3_1_8b_holds_bases_of_the_widest_input_and_output_for_randlora():
    arch = load_catalogue().model("llama-3.1-8b").architecture
    record = load_catalogue().method("randlora")
    held = held_bytes(arch, record, record.read_knobs(ALL), 2)
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
        here, there = (held_bytes(small(), record, knobs, 2, on_gpu) for on_gpu in (False, True))
        assert here - there == places * (2 if method == "adamss" else 1)  # and by cluster
