"""A pasted config.json: what transformers builds from it, or a sentence that says what is wrong."""

import json
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import Llama4Config, LlamaConfig, LlamaForCausalLM, MllamaConfig

from explorer.budget.params import count_parameters
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.config import (
    LONGEST_CONFIG,
    ConfigError,
    architecture_from_config,
    architecture_from_text,
)
from explorer.catalogue.errors import ExplorerError
from tests.budget.meta import counted, meta_model

LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "intermediate_size": 172,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 200,
}
TEXT = {name: value for name, value in LLAMA.items() if name not in {"model_type", "architectures"}}
LLAMA4 = {
    "model_type": "llama4",
    "text_config": TEXT | {"head_dim": 16, "num_local_experts": 3, "num_hidden_layers": 4},
    "vision_config": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 128,
        "image_size": 28,
        "patch_size": 14,
        "vision_output_dim": 64,
        "projector_input_dim": 64,
        "projector_output_dim": 64,
    },
}
MLLAMA = {
    "model_type": "mllama",
    "text_config": TEXT | {"cross_attention_layers": [1]},
    "vision_config": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_global_layers": 1,
        "attention_heads": 2,
        "intermediate_size": 64,
        "image_size": 28,
        "patch_size": 14,
        "vision_output_dim": 64,
        "intermediate_layers_indices": [0],
    },
}


@pytest.mark.parametrize(
    "config",
    [
        LLAMA,
        LLAMA | {"num_key_value_heads": None, "tie_word_embeddings": True},
        LLAMA | {"head_dim": 32, "attention_bias": True, "mlp_bias": True},
        LLAMA | {"rope_scaling": {"rope_type": "linear", "factor": 2.0}, "rope_theta": 5e5},
        LLAMA4,
        LLAMA4 | {"text_config": LLAMA4["text_config"] | {"interleave_moe_layer_step": 2}},
        LLAMA4 | {"text_config": LLAMA4["text_config"] | {"moe_layers": [0, 3]}},
        LLAMA4 | {"text_config": LLAMA4["text_config"] | {"moe_layers": []}},
        LLAMA4 | {"text_config": LLAMA4["text_config"] | {"no_rope_layers": [1, 1, 0, 1]}},
        LLAMA4
        | {"text_config": {k: v for k, v in LLAMA4["text_config"].items() if k != "head_dim"}},
        MLLAMA,
        MLLAMA | {"text_config": MLLAMA["text_config"] | {"cross_attention_layers": [0, 2]}},
    ],
    ids=str,
)
def test_a_config_becomes_the_shape_that_transformers_builds(config):
    kinds = {"llama": LlamaConfig, "llama4": Llama4Config, "mllama": MllamaConfig}
    own = deepcopy({name: value for name, value in config.items() if name != "model_type"})
    real = kinds[config["model_type"]](**own)
    written = json.loads(real.to_json_string(use_diff=False))
    arch = architecture_from_config(config)
    assert architecture_from_text(json.dumps(written)).model_dump() == arch.model_dump()
    assert count_parameters(arch).total == counted(meta_model(arch))
    text = real.get_text_config()
    assert arch.head_dim == getattr(text, "head_dim", 16)
    assert arch.rope_theta == text.rope_parameters["rope_theta"]
    if arch.model_type == "llama4":
        assert list(arch.moe_layers) == text.moe_layers
        rotates = [layer not in arch.no_rope_layers for layer in range(arch.num_hidden_layers)]
        assert rotates == [bool(flag) for flag in text.no_rope_layers]


def test_text_only_parts_are_models_of_their_own():
    arch = architecture_from_config(LLAMA4["text_config"] | {"model_type": "llama4_text"})
    assert arch.vision is None
    assert count_parameters(arch).total == counted(meta_model(arch))
    arch = architecture_from_config(MLLAMA["text_config"] | {"model_type": "mllama_text_model"})
    assert count_parameters(arch).total == counted(meta_model(arch))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "mistral"}, ["model_type = 'mistral'", "llama4"]),
        ({"model_type": "lama"}, ["Did you mean 'llama'"]),
        ({"model_type": None}, ["model_type", "llama"]),
        ({"architectures": ["LlamaForSequenceClassification"]}, ["architectures", "ForCausalLM"]),
        ({"hidden_size": 65}, ["hidden_size = 65", "num_attention_heads = 4"]),
        ({"num_key_value_heads": 3}, ["num_attention_heads", "num_key_value_heads"]),
        ({"num_key_value_heads": 8}, ["num_key_value_heads = 8", "from 1 to 4"]),
        ({"num_hidden_layers": 0}, ["num_hidden_layers = 0", "from 1 to 10000"]),
        ({"num_hidden_layers": 10**9}, ["num_hidden_layers", "from 1 to 10000"]),
        ({"hidden_size": -64}, ["hidden_size = -64", "from 1 to"]),
        ({"hidden_size": "64"}, ["hidden_size = '64'", "whole number"]),
        ({"hidden_size": 64.0}, ["hidden_size = 64.0", "whole number"]),
        ({"hidden_size": True}, ["hidden_size = True", "whole number"]),
        ({"hidden_size": [64]}, ["hidden_size = [64]", "whole number"]),
        ({"vocab_size": None}, ["vocab_size = None", "whole number"]),
        ({"tie_word_embeddings": "yes"}, ["tie_word_embeddings = 'yes'", "true or false"]),
        ({"rms_norm_eps": float("nan")}, ["rms_norm_eps = nan", "above 0"]),
        ({"rms_norm_eps": -1e-5}, ["rms_norm_eps", "above 0"]),
        ({"rope_theta": float("inf")}, ["rope_theta", "above 0"]),
        ({"rope_scaling": 8}, ["rope_scaling = 8", "object or null"]),
        ({"rope_scaling": {"type": "nonsense"}}, ["rope_scaling.type = 'nonsense'", "llama3"]),
        ({"rope_parameters": {"rope_type": []}}, ["rope_parameters.rope_type = []", "llama3"]),
        ({"rope_scaling": {"rope_type": "linear", "factor": 0}}, ["rope_scaling.factor = 0"]),
    ],
    ids=str,
)
def test_nonsense_gets_a_sentence_that_names_the_key_and_what_is_allowed(change, words):
    with pytest.raises(ConfigError) as caught:
        architecture_from_config(LLAMA | change)
    for word in words:
        assert word in str(caught.value)


ROPES = [
    {"rope_type": "default"},
    {"rope_type": "nonsense"},
    {"rope_type": "axial"},
    {"rope_type": None},
    {"type": "linear"},
    {"type": "linear", "factor": 2.0},
    {"rope_type": "dynamic", "factor": 2.0},
    {"rope_type": "dynamic"},
    {"rope_type": "yarn", "factor": 2.0},
    {"rope_type": "yarn"},
    {"rope_type": "llama3"},
    {"rope_type": "llama3", "factor": 2.0, "low_freq_factor": 1.0},
    {"rope_type": "llama3", "factor": None, "low_freq_factor": 1.0, "high_freq_factor": 4.0},
    {"rope_type": "llama3", "factor": 2.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0},
    {"rope_type": "longrope", "short_factor": [1.0] * 8},
    {"rope_type": "longrope", "short_factor": [1.0] * 8, "long_factor": [1.0] * 8, "factor": 2.0},
    {"rope_type": "proportional"},
]


def _is_built(config):
    own = {name: value for name, value in config.items() if name != "model_type"}
    try:
        LlamaForCausalLM(LlamaConfig(**deepcopy(own), pad_token_id=0))
    except (KeyError, TypeError):
        return False
    return True


@pytest.mark.parametrize("scaling", ROPES, ids=str)
@pytest.mark.parametrize("key", ["rope_scaling", "rope_parameters"])
def test_a_rope_that_transformers_cannot_build_is_refused_and_no_other(key, scaling):
    config = LLAMA | {key: scaling}
    if _is_built(config):
        assert architecture_from_config(config).num_hidden_layers == LLAMA["num_hidden_layers"]
        return
    with pytest.raises(ConfigError, match=f"{key}.* (takes|lacks)|lacks '{key}"):
        architecture_from_config(config)


def test_a_missing_key_is_named_with_its_near_miss():
    config = {name: value for name, value in LLAMA.items() if name != "hidden_size"}
    with pytest.raises(ConfigError, match=r"lacks 'hidden_size'.*its key 'hiden_size'"):
        architecture_from_config(config | {"hiden_size": 64})


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("text_config", {"moe_layers": [9]}, "moe_layers names layer 9"),
        ("text_config", {"moe_layers": "all"}, "text_config.moe_layers = 'all'"),
        ("text_config", {"no_rope_layers": [1, 0]}, "text_config.no_rope_layers"),
        ("text_config", {"no_rope_layers": [1, 2, 0, 1]}, "from 0 to 1"),
        ("text_config", {"head_dim": None}, "text_config.head_dim = None"),
        ("text_config", {"interleave_moe_layer_step": 0}, "text_config.interleave_moe_layer_step"),
        ("vision_config", {"hidden_size": 33}, "vision_config.hidden_size = 33 is not a multiple"),
        ("vision_config", {"image_size": [28, 14]}, "vision_config.image_size"),
        ("vision_config", {"image_size": 7}, "vision_config.image_size = 7"),
        ("vision_config", {"pixel_shuffle_ratio": 2}, "vision_config.pixel_shuffle_ratio = 2"),
    ],
    ids=str,
)
def test_a_fault_inside_a_part_is_told_with_its_whole_key(part, change, words):
    with pytest.raises(ConfigError) as caught:
        architecture_from_config(LLAMA4 | {part: LLAMA4[part] | change})
    assert words in str(caught.value)


def test_a_part_that_is_missing_is_named():
    with pytest.raises(ConfigError, match="text_config"):
        architecture_from_config({"model_type": "llama4", "vision_config": {}})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[1, 2]", "a JSON object"),
        ('"llama"', "a JSON object"),
        ('{"model_type": "llama", "hidden_size": NaN}', "NaN"),
        ('{"model_type": "llama", "hidden_size": -Infinity}', "Infinity"),
        ('{"model_type": "llama", "hidden_size": ' + "9" * 5000 + "}", "not valid JSON"),
        ('{"model_type": "llama", "hidden_size": 1e999}', "hidden_size"),
        (" " * (LONGEST_CONFIG + 1), "at most 1,000,000"),
        (b"\xff\xfe\x00", "not valid JSON"),
        ('{"hidden_size": 8, "hidden_size": 16}', "'hidden_size' stands twice .* 8 and as 16"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_text_that_is_no_config_gets_a_sentence(text, words):
    with pytest.raises(ConfigError, match=words):
        architecture_from_text(text)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    base=st.sampled_from([LLAMA, LLAMA4, MLLAMA]),
    key=st.sampled_from([*TEXT, "head_dim", "moe_layers", "no_rope_layers", "image_size"]),
    part=st.sampled_from([None, "text_config", "vision_config"]),
    value=ANYTHING,
)
def test_any_value_under_any_key_is_either_a_shape_or_a_sentence(base, key, part, value):
    config = base | {key: value}
    if part in base:
        config = base | {part: {**base[part], key: value}}
    try:
        assert isinstance(architecture_from_config(config), Architecture)
    except ExplorerError:
        return  # a sentence; anything else would fail the test
