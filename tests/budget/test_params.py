"""The closed-form count against transformers' own modules and against the published targets."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.budget.params import count_parameters
from explorer.budget.sites import all_sites, linear_sites, matching
from explorer.catalogue.architecture import Architecture, VisionArchitecture
from explorer.catalogue.catalogue import DATA
from explorer.catalogue.errors import UnknownNameError
from explorer.catalogue.load import load_folder
from explorer.catalogue.model import Model
from tests.budget.meta import counted, meta_model

MODELS = {
    model.id: model
    for model in load_folder(DATA / "models", Model).values()
    if model.architecture is not None
}
SHAPES = {model.architecture for model in MODELS.values()}

# transformers 5.23 on the meta device, counted once and written down
TARGETS = {
    "llama-1-7b": 6_738_415_616,
    "llama-1-13b": 13_015_864_320,
    "llama-1-33b": 32_528_943_616,
    "llama-1-65b": 65_285_660_672,
    "llama-2-70b": 68_976_648_192,
    "code-llama-7b": 6_738_546_688,
    "code-llama-13b": 13_016_028_160,
    "code-llama-34b": 33_743_970_304,
    "code-llama-70b": 68_976_910_336,
    "llama-3-8b": 8_030_261_248,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "llama-3.2-11b-vision": 10_670_220_835,
    "llama-3.2-90b-vision": 88_593_355_323,
    "llama-3.3-70b": 70_553_706_496,
    "llama-4-scout-17b-16e": 108_641_793_536,
    "llama-4-maverick-17b-128e": 401_583_781_376,
}
ACTIVE = {
    "llama-4-scout-17b-16e": (17_172_894_720, 18_044_827_136),
    "llama-4-maverick-17b-128e": (17_184_691_200, 18_056_623_616),
}


@cache
def on_meta(arch: Architecture) -> int:
    return counted(meta_model(arch))


@pytest.mark.parametrize("model", MODELS)
def test_every_known_shape_counts_as_transformers_builds_it(model):
    arch = MODELS[model].architecture
    assert count_parameters(arch).total == on_meta(arch)


@pytest.mark.parametrize("model", MODELS)
def test_the_count_in_the_model_file_is_the_count(model):
    stated = MODELS[model].exact_total_params.value
    if stated is not None:
        assert count_parameters(MODELS[model].architecture).total == stated


@pytest.mark.parametrize("model", TARGETS)
def test_published_targets_are_met_to_the_integer(model):
    assert count_parameters(MODELS[model].architecture).total == TARGETS[model]


@pytest.mark.parametrize("model", ACTIVE)
def test_active_parameters_leave_out_the_experts_a_token_does_not_visit(model):
    count = count_parameters(MODELS[model].architecture)
    assert (count.active, count.active_with_image) == ACTIVE[model]


@pytest.mark.parametrize("model", MODELS)
def test_components_and_layers_add_up(model):
    arch = MODELS[model].architecture
    count = count_parameters(arch)
    assert sum(count.by_component.values()) == count.total
    assert all(numbers >= 0 for numbers in count.by_component.values())
    assert len(count.by_layer) == arch.num_hidden_layers
    assert count.active <= count.active_with_image <= count.total


def test_llama_4_vision_parts_have_their_published_sizes():
    parts = count_parameters(MODELS["llama-4-scout-17b-16e"].architecture).by_component
    assert sum(n for name, n in parts.items() if name.startswith("vision")) == 850_960_896
    assert parts["projector"] == 20_971_520


@st.composite
def text_shapes(draw):
    head_dim = draw(st.sampled_from([4, 6, 8, 10]))
    kv_heads = draw(st.integers(1, 4))
    heads = kv_heads * draw(st.integers(1, 4))
    family = draw(st.sampled_from(["llama", "llama4", "mllama"]))
    layers = draw(st.integers(1, 5))
    # heads whose widths together are not the hidden size
    own_width = family != "mllama" and draw(st.booleans())
    shape = {
        "model_type": family,
        "hidden_size": heads * head_dim * (2 if own_width else 1),
        "intermediate_size": draw(st.integers(1, 60)),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dim,
        "vocab_size": draw(st.integers(3, 80)),
        "tie_word_embeddings": family != "mllama" and draw(st.booleans()),
        "attention_bias": family != "mllama" and draw(st.booleans()),
        "mlp_bias": family == "llama" and draw(st.booleans()),
    }
    some_layers = st.sets(st.integers(0, layers - 1)).map(lambda found: tuple(sorted(found)))
    if family == "mllama":
        shape["cross_attention_layers"] = draw(some_layers)
    if family == "llama4":
        experts = draw(st.integers(1, 5))
        shape |= {
            "num_local_experts": experts,
            "num_experts_per_tok": draw(st.integers(1, experts)),
            "moe_layers": draw(some_layers),
            "intermediate_size_mlp": draw(st.integers(1, 60)),
        }
    return shape


@st.composite
def towers(draw, family):
    heads = draw(st.integers(1, 3))
    width = heads * draw(st.sampled_from([4, 8]))
    patch = draw(st.integers(2, 5))
    tower = {
        "hidden_size": width,
        "num_hidden_layers": draw(st.integers(1, 3)),
        "num_attention_heads": heads,
        "intermediate_size": draw(st.integers(1, 40)),
        "patch_size": patch,
        "image_size": patch * draw(st.integers(1, 4)) + draw(st.integers(0, patch - 1)),
        "vision_output_dim": draw(st.integers(1, 40)),
    }
    if family == "mllama":
        tower |= {
            "num_global_layers": draw(st.integers(0, 2)),
            "max_num_tiles": 4,
            "max_aspect_ratio_id": draw(st.sampled_from([3, 8])),
            "intermediate_layers_indices": (0,),
        }
    else:
        tower |= {
            "projector_input_dim": draw(st.integers(1, 20)),
            "projector_output_dim": draw(st.integers(1, 20)),
        }
    return VisionArchitecture(**tower)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_shape_counts_as_transformers_builds_it(data):
    shape = data.draw(text_shapes())
    if shape["model_type"] != "llama" and data.draw(st.booleans()):
        shape["vision"] = data.draw(towers(shape["model_type"]))
    arch = Architecture(**shape)
    model = meta_model(arch)
    count = count_parameters(arch)
    assert count.total == counted(model)
    assert sum(count.by_component.values()) == count.total
    linears = {name for name, module in model.named_modules() if hasattr(module, "in_features")}
    assert {site.path for site in linear_sites(arch)} == linears
    for site in all_sites(arch):
        weight = model.get_submodule(site.path).weight
        assert weight.numel() == site.d_in * site.d_out, site


def test_targets_select_by_the_end_of_the_path_in_both_towers():
    arch = MODELS["llama-3.2-11b-vision"].architecture
    found = matching(arch, ["q_proj"])
    assert len(found) == 40 + 32 + 8
    assert {site.in_vision for site in found} == {True, False}
    assert len(matching(arch, ["self_attn.q_proj"], layers=[0])) == 3


def test_an_unknown_target_is_told_with_the_nearest_one():
    with pytest.raises(UnknownNameError, match="Did you mean 'q_proj'"):
        matching(MODELS["llama-3-8b"].architecture, ["q_porj"])
