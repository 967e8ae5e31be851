"""A model's facts, and the architecture that is made of them."""

import pytest
from pydantic import ValidationError

from explorer.catalogue.load import DATA, load_folder, read_toml
from explorer.catalogue.model import STATED, Model
from explorer.catalogue.record import facts_of

MODELS = load_folder(DATA / "models", Model)
WITHOUT_SHAPE = {"llama-4-behemoth", "llama-guard-3-1b"}


@pytest.mark.parametrize("name", MODELS)
def test_the_architecture_builds_or_the_model_says_why_not(name):
    model = MODELS[name]
    if name in WITHOUT_SHAPE:
        assert model.architecture is None
        assert all(model.unknown_shape.values())
    else:
        assert model.unknown_shape == {}
        shape = model.architecture
        assert shape.num_attention_heads * shape.head_dim == shape.q_dim
        assert shape.max_position_embeddings == model.max_context.value


@pytest.mark.parametrize("name", MODELS)
def test_a_value_that_is_not_known_has_its_reason_beside_it(name):
    for field, fact in facts_of(MODELS[name]).items():
        assert fact.value is not None or fact.note, field


def test_every_layer_of_scout_has_experts_and_every_second_one_of_maverick():
    scout = MODELS["llama-4-scout-17b-16e"].architecture
    maverick = MODELS["llama-4-maverick-17b-128e"].architecture
    assert scout.moe_layers == tuple(range(48))
    assert maverick.moe_layers == tuple(range(1, 48, 2))
    assert (scout.num_local_experts, maverick.num_local_experts) == (16, 128)
    assert maverick.intermediate_size_mlp == 16_384


@pytest.mark.parametrize("name", ["llama-4-scout-17b-16e", "llama-4-maverick-17b-128e"])
def test_every_fourth_layer_of_llama_4_does_not_rotate_and_sees_beyond_its_chunk(name):
    shape = MODELS[name].architecture
    assert shape.no_rope_layers == tuple(range(3, 48, 4))
    assert shape.attention_chunk_size == 8192
    assert shape.use_qk_norm is (name == "llama-4-scout-17b-16e")


def test_guard_4_is_scout_with_its_shared_expert_alone():
    guard = MODELS["llama-guard-4-12b"].architecture
    scout = MODELS["llama-4-scout-17b-16e"].architecture
    assert not guard.is_moe
    assert guard.intermediate_size_mlp == scout.intermediate_size == 8192
    assert guard.vision == scout.vision
    assert guard.hidden_size == scout.hidden_size


@pytest.mark.parametrize(
    ("name", "count", "last"), [("llama-3.2-11b-vision", 8, 38), ("llama-3.2-90b-vision", 20, 98)]
)
def test_vision_models_cross_attend_every_fifth_layer(name, count, last):
    shape = MODELS[name].architecture
    assert len(shape.cross_attention_layers) == count
    assert shape.cross_attention_layers[0] == 3
    assert shape.cross_attention_layers[-1] == last
    assert shape.num_hidden_layers == len(shape.self_attention_layers) + count
    assert shape.vision.image_size == 560


def test_the_base_vision_model_of_another_resolution_stands_beside_the_instruct_one():
    claims = MODELS["llama-3.2-11b-vision"].vision.also
    assert [claim.value.image_size for claim in claims] == [448]


@pytest.mark.parametrize(
    ("name", "factor"),
    [("llama-3.1-8b", 8.0), ("llama-3.2-1b", 32.0), ("llama-4-scout-17b-16e", 16.0)],
)
def test_rope_is_stretched_by_what_each_generation_chose(name, factor):
    assert MODELS[name].architecture.rope_scaling["factor"] == factor


def test_models_before_3_1_do_not_stretch_rope():
    for name in ("llama-1-7b", "llama-2-70b", "code-llama-34b", "llama-3-8b"):
        assert MODELS[name].architecture.rope_scaling is None


def test_where_sources_disagree_the_file_holds_both():
    heads = MODELS["llama-2-7b"].num_key_value_heads
    assert heads.value == 32
    assert [claim.value for claim in heads.also] == [8]
    assert "num_key_value_heads" in MODELS["llama-2-7b"].disputed


def test_a_dense_model_need_not_speak_of_experts():
    table = read_toml(DATA / "models" / "llama-3.1-8b.toml")
    assert not set(STATED["llama4"]) & set(table)
    assert MODELS["llama-3.1-8b"].num_local_experts.note.startswith("does not apply")


@pytest.mark.parametrize(
    ("kind", "name", "key"),
    [
        ("llama4", "llama-4-scout-17b-16e", "attention_chunk_size"),
        ("llama4", "llama-4-behemoth", "vision"),
        ("mllama", "llama-3.2-11b-vision", "cross_attention_layers"),
    ],
)
def test_a_model_must_state_what_its_architecture_type_needs(kind, name, key):
    table = read_toml(DATA / "models" / f"{name}.toml")
    del table[key]
    with pytest.raises(ValidationError, match=f"architecture_type = '{kind}' needs {key}"):
        Model.model_validate({"id": name, **table})


def test_the_active_parameters_that_meta_names_are_those_of_the_mixtures():
    active = {name for name, m in MODELS.items() if m.official_active_params.value}
    assert active == {"llama-4-scout-17b-16e", "llama-4-maverick-17b-128e", "llama-4-behemoth"}
