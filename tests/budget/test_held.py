"""What a method keeps frozen, against every tensor that hangs on a model it is attached to."""

from collections.abc import Iterable, Iterator

import pytest
import torch

from explorer.budget.held import held_bytes
from explorer.catalogue.catalogue import load_catalogue
from explorer.methods import attach
from tests.budget.meta import build
from tests.budget.stepping import small

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
    (TINY, "lora", ALL),
    (TIED, "trainable-tokens", {}),
    *((TINY, "cartridge", {"num_frozen_tokens": frozen}) for frozen in (0, 1, 4)),
]


def tensors_in(value: object, depth: int = 0) -> Iterator[torch.Tensor]:
    """Tensors in nested containers; of a sparse one its parts."""
    if isinstance(value, torch.Tensor):
        yield from (value._indices(), value._values()) if value.is_sparse else (value,)
    elif depth < 4 and isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from tensors_in(item, depth + 1)


def bytes_on(modules: Iterable[torch.nn.Module], but: str) -> int:
    """Bytes of the storages that hang on modules, those of the attribute `but` left out."""
    found = {}
    for module in modules:
        for name, value in vars(module).items():
            if name in ("_modules", but):
                continue
            for tensor in tensors_in(value):
                storage = tensor.untyped_storage()
                found[storage.data_ptr()] = storage.nbytes()
    return sum(found.values())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("arch", "method", "knobs"), CASES, ids=str)
def test_what_is_held_beside_what_trains_is_what_hangs_on_the_model(arch, method, knobs, dtype):
    torch.manual_seed(0)
    base = build(arch).to(getattr(torch, dtype))
    # peft's own list of the prompt's positions, 8 bytes a token, is left to rounding
    before = bytes_on(base.modules(), but="prompt_tokens")
    model = attach(base, method, knobs)
    trained = [p for p in model.parameters() if p.requires_grad]
    added = bytes_on(model.modules(), but="prompt_tokens") - before
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
    for method in ("fourierft", "waveft"):
        record = load_catalogue().method(method)
        knobs = record.read_knobs({"n_frequency": 50})
        assert held_bytes(TINY, record, knobs, 2, on_gpu=True) == 0
        model = attach(build(TINY), method, {"n_frequency": 50})
        layer = next(m for m in model.modules() if hasattr(m, f"{method}_spectrum"))
        assert isinstance(getattr(layer, "waveft_indices", getattr(layer, "indices", None)), dict)
