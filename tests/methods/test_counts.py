"""What the data files count as trainable is what the tuners allocate, to the integer."""

import time

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from explorer.budget.trainable import count_trainable
from explorer.catalogue.config import architecture_from_config
from explorer.methods import registry
from explorer.methods.attach import attach
from tests.methods.contract import TINY
from tests.methods.test_contract import pytestmark as ignored

pytestmark = [
    *ignored,
    pytest.mark.filterwarnings("ignore:Invalid `oft_block_size`"),
    pytest.mark.filterwarnings("ignore:for MLP, the argument `encoder_num_layers` is ignored"),
]

TEXT = {
    "vocab_size": 97,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "num_hidden_layers": 3,
}
SHAPES = {
    "grouped": {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
    },
    "multi-head, tied": {
        "hidden_size": 32,
        "intermediate_size": 80,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "tie_word_embeddings": True,
    },
    "wide heads and biases": {
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "attention_bias": True,
        "mlp_bias": True,
    },
}
ALL = {"target_modules": "all-linear"}

# Settings beside the tiny ones of the contract that take another branch of a formula.
VARIANTS = {
    "adalora": [{"init_r": 5} | ALL],
    "adamss": [{"target_modules": "o_proj"}],
    "adaption-prompt": [{"adapter_len": 3, "adapter_layers": 1}],
    "beft": [ALL],
    "boft": [{"boft_block_size": 2}, ALL],
    "c3a": [{"block_size": 8} | ALL],
    "cartridge": [{"num_frozen_tokens": 0}, {"num_frozen_tokens": 3}],
    "cpt": [{"cpt_token_ids": "3,4,5", "cpt_tokens_type_mask": "1,2,4"}],
    "deft": [{"para": True}, {"r": 3, "decomposition_method": "qr"} | ALL],
    "delora": [{"r": 3} | ALL],
    "fourierft": [{"n_frequency": 7} | ALL],
    "frod": [{"sparse_rate": 0.0}, {"sparse_rate": 0.3} | ALL],
    "glora": [
        {"config_A_B": "vector", "config_C": "vector", "config_D_E": "vector"},
        {"config_A_B": "constant", "config_C": "none", "config_D_E": "none"} | ALL,
        {"config_A_B": "none", "config_C": "lora"},
    ],
    "gralora": [{"r": 4, "gralora_k": 4, "hybrid_r": 3} | ALL],
    "hira": [{"r": 3} | ALL],
    "hra": [{"r": 4, "apply_GS": True} | ALL],
    "ia3": [
        {"target_modules": "q_proj,up_proj,down_proj", "feedforward_modules": "up_proj,down_proj"}
    ],
    "lily": [{"r": 4, "stride_A": 2, "num_B": 3} | ALL],
    "llama-adapter-v1": [{"adapter_len": 3, "adapter_layers": 2}],
    "llama-adapter-v2": [
        {"variant": "paper"},
        {"adapter_len": 4, "adapter_layers": 1, "r": 2},
        {"visual_tokens": 5, "visual_layers": 2},
    ],
    "llama-excitor": [{"r": 3, "adapter_layers": 2, "gate_per_head": False}],
    "loha": [{"r": 3} | ALL],
    "lokr": [
        {"decompose_both": True, "r": 1},
        {"decompose_factor": 8, "r": 2} | ALL,
        {"decompose_factor": 7, "r": 40},
    ],
    "lora": [
        {"r": 3, "use_dora": True} | ALL,
        {"init_lora_weights": "mica"},
        {"layers_to_transform": "0,2"},
        {"init_lora_weights": "pissa"},
        {"init_lora_weights": "olora", "use_rslora": True, "target_modules": "gate_proj,q_proj"},
    ],
    "miss": [{"init_weights": "bat", "r": 4}, {"init_weights": "mini", "r": 4, "mini_r": 2}],
    "oft": [{"block_share": True}, {"oft_block_size": 20, "coft": True} | ALL],
    "osf": [{"effective_rank": 5} | ALL],
    "p-tuning": [
        {"encoder_reparameterization_type": "LSTM", "encoder_num_layers": 3},
        {"num_virtual_tokens": 3},
    ],
    "peanut": [{"r": 3, "depth": 2} | ALL],
    "prefix-tuning": [
        {"prefix_projection": True},
        {"prefix_projection": True, "encoder_hidden_size": 24},
    ],
    "prompt-tuning": [{"num_virtual_tokens": 3, "prompt_tuning_init": "SAMPLE_VOCAB"}],
    "psoft": [{"psoft_orth": False, "psoft_mag_a": False}, {"r": 5, "psoft_mag_b": False} | ALL],
    "pvera": [{"r": 5} | ALL],
    "qlora": [{"r": 2, "target_modules": "q_proj"}],
    "randlora": [{"r": 5} | ALL],
    "road": [{"variant": "road_2"}, {"variant": "road_4"} | ALL],
    "shadow": [{"r": 3, "shadow_num_hidden_layers": 2}],
    "shira": [{"r": 3} | ALL],
    "supertuning": [{"sparsity": 0.77, "r": 2} | ALL, {"sparsity": 0.5, "select_top": False}],
    "tinylora": [
        {"weight_tying": 1.0},
        {"weight_tying": 0.35, "u": 5} | ALL,
        {"weight_tying": 0.6},
    ],
    "trainable-tokens": [{"token_indices": "7"}],
    "unilora": [{"theta_d_length": 33, "r": 2}],
    "vblora": [{"vector_length": 8, "num_vectors": 5, "r": 2} | ALL],
    "vera": [{"r": 5} | ALL],
    "waveft": [{"n_frequency": 11} | ALL],
}
CASES = [
    (name, {**TINY.get(name, {}), **variant})
    for name in registry.names()
    for variant in [{}, *VARIANTS.get(name, [])]
]


def allocated(config, method_id, knobs):
    """Parameters that train once the method is attached to a model of this shape."""
    model = attach(LlamaForCausalLM(config), method_id, knobs)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def counted(config, method_id, knobs):
    architecture = architecture_from_config(config.to_dict())
    return count_trainable(architecture, registry.record(method_id), knobs)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("method_id", "knobs"), CASES)
def test_the_formula_is_the_allocation(method_id, knobs, shape):
    torch.manual_seed(0)
    config = LlamaConfig(**TEXT, **SHAPES[shape])
    assert counted(config, method_id, knobs).total == allocated(config, method_id, knobs)


def test_a_count_that_depends_on_the_weights_says_so_and_is_the_most_there_can_be():
    torch.manual_seed(0)
    config = LlamaConfig(**TEXT, **SHAPES["multi-head, tied"])
    knobs = TINY["adamss"] | {"subspace_rank": 2, "target_modules": "o_proj"}
    count = counted(config, "adamss", knobs)
    assert not count.exact
    assert "k-means" in count.note
    assert allocated(config, "adamss", knobs) <= count.total


PUBLISHED = {
    "LLaMA-7B": {
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "vocab_size": 32_000,
    },
    "Llama-3-8B": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128_256,
    },
    "Llama-3.2-1B": {
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128_256,
        "tie_word_embeddings": True,
    },
}
SURVEY = [name for name in registry.names() if registry.record(name).survey]


@pytest.mark.parametrize("model", PUBLISHED)
@pytest.mark.parametrize("method_id", [*SURVEY, "norms-and-biases", "full"])
def test_the_formula_is_the_allocation_at_published_sizes(method_id, model):
    config = LlamaConfig(**PUBLISHED[model])
    with torch.device("meta"):
        assert counted(config, method_id, {}).total == allocated(config, method_id, {})


# These read numbers while they are set up, which a meta tensor does not have, or build a table of
# all entries of a weight.
NOT_ON_META = {
    "adamss", "boft", "cpt", "deft", "fourierft", "frod", "osf", "psoft", "shira", "supertuning",
    "tinylora", "unilora", "waveft",
}  # fmt: skip


@pytest.mark.parametrize(
    "method_id", [name for name in registry.names() if name not in NOT_ON_META]
)
def test_the_formula_is_the_allocation_at_the_widths_of_llama_3_8b(method_id):
    config = LlamaConfig(**{**PUBLISHED["Llama-3-8B"], "num_hidden_layers": 3})
    with torch.device("meta"):
        assert counted(config, method_id, {}).total == allocated(config, method_id, {})


@pytest.mark.parametrize(
    ("method_id", "knobs", "model", "count"),
    [
        ("lora", {}, "LLaMA-7B", 4_194_304),
        ("lora", {}, "Llama-3-8B", 3_407_872),
        ("lora", {}, "Llama-3.2-1B", 851_968),
        ("qlora", {}, "LLaMA-7B", 159_907_840),
        ("qlora", {}, "Llama-3-8B", 167_772_160),
        ("llama-adapter-v1", {}, "LLaMA-7B", 1_229_760),
        ("llama-adapter-v1", {}, "Llama-3.2-1B", 287_168),
        ("adaption-prompt", {"adapter_layers": 30}, "LLaMA-7B", 1_228_830),
        ("llama-adapter-v2", {}, "LLaMA-7B", 2_764_800),
        ("llama-adapter-v2", {"variant": "paper", "adapter_len": 0}, "LLaMA-7B", 2_985_984),
        ("llama-adapter-v2", {}, "Llama-3-8B", 2_887_680),
        ("llama-excitor", {"gate_per_head": False}, "LLaMA-7B", 7_618_590),
        ("llama-excitor", {"gate_per_head": False}, "Llama-3.2-1B", 1_777_678),
        ("full", {}, "LLaMA-7B", 6_738_415_616),
    ],
)
def test_counts_known_from_papers_and_their_code(method_id, knobs, model, count):
    assert counted(LlamaConfig(**PUBLISHED[model]), method_id, knobs).total == count


def test_a_count_on_llama_3_8b_takes_less_than_a_millisecond():
    architecture = architecture_from_config(LlamaConfig(**PUBLISHED["Llama-3-8B"]).to_dict())
    for name, record in registry.records().items():
        count_trainable(architecture, record)  # reads the formula and finds the sites once
        fastest = min(_seconds(architecture, record) for _ in range(20))
        assert fastest < 1e-3, (name, fastest)


def _seconds(architecture, record):
    start = time.perf_counter()
    count_trainable(architecture, record)
    return time.perf_counter() - start
