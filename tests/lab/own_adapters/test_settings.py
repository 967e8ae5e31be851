import dataclasses
import json
import time

import pytest
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

from explorer.catalogue.catalogue import load_catalogue
from explorer.lab.own_adapters import names, settings
from explorer.lab.own_adapters.settings import safe_settings
from explorer.lab.own_adapters.unpack import AdapterUploadError
from explorer.methods.registry import records

PATH = "base_model.model.model.layers.{}.self_attn.{}.lora_{}.weight"
SHAPES = {
    PATH.format(layer, name, side): (8, 576) if side == "A" else (192, 8)
    for layer in (0, 1)
    for name in ("q_proj", "v_proj")
    for side in "AB"
}
NAMED = [
    f"model.layers.{layer}.self_attn.{name}" for layer in (0, 1) for name in ("q_proj", "v_proj")
]
HANGS = "(([a-z0-9_.])+)+!"
ENDS_IN_TIME = 1.0  # seconds; a pattern that is tried out on a name takes hours


@pytest.fixture(scope="module")
def methods():
    return load_catalogue().methods


def safe(methods, method="lora", shapes=SHAPES, **given):
    given = {"peft_type": methods[method].peft_type} | given
    return safe_settings(json.loads(json.dumps(given)), methods[method], shapes)


def test_every_setting_that_peft_has_is_of_a_known_kind_left_out_or_refused(methods):
    """A setting that a newer peft brings has to be looked at before it is let through."""
    known = {*settings.KIND, *settings.LEFT_OUT, *settings.NOT_HERE}
    for method in records().values():
        if method.peft_type and not method.unsupported:
            config = PEFT_TYPE_TO_CONFIG_MAPPING[method.peft_type]
            new = {field.name for field in dataclasses.fields(config)} - known - {*method.knobs}
            assert not new, method.id


@pytest.mark.parametrize("pattern", [HANGS, r".*layers\.[01]\..*_proj", "(x|x)*y", ""])
def test_a_pattern_is_replaced_by_the_modules_that_have_tensors(methods, pattern):
    saved = {"base_model.model.lm_head.weight": (5, 5)}
    begun = time.perf_counter()
    found = safe(
        methods, target_modules=pattern, exclude_modules=HANGS, layers_pattern="layers",
        shapes=SHAPES | saved,
    )  # fmt: skip
    assert time.perf_counter() - begun < ENDS_IN_TIME
    assert found["target_modules"] == NAMED
    assert (found["exclude_modules"], found["layers_pattern"]) == (None, None)


def test_names_stay_names(methods):
    for targets in (["q_proj", "layers.0.mlp.up_proj"], "all-linear", "self_attn"):
        found = safe(methods, target_modules=targets, exclude_modules=["lm_head"])
        assert (found["target_modules"], found["exclude_modules"]) == (targets, ["lm_head"])


def test_a_pattern_without_tensors_that_tell_is_refused(methods):
    with pytest.raises(AdapterUploadError, match="write target_modules as a list of names"):
        safe(methods, target_modules="q|v", shapes={"base_model.vera_A": (4, 4)})


@pytest.mark.parametrize(
    "given",
    [
        {"modules_to_save": [HANGS]},
        {"target_modules": ["q_proj", HANGS]},
        {"target_modules": ["q_proj"], "exclude_modules": [HANGS]},
        {"layers_pattern": HANGS},
        {"layers_pattern": ["layers", HANGS]},
        {"rank_pattern": {HANGS: 4}},
        {"alpha_pattern": {"(a|a)*": 4}},
        {"target_parameters": [HANGS]},
        {"trainable_token_indices": {HANGS: [1]}},
        {"rank_pattern": {"x" * 301: 4}},
    ],
)
def test_patterns_elsewhere_are_refused(methods, given):
    with pytest.raises(AdapterUploadError, match="is no plain name of a module"):
        safe(methods, **given)


def test_the_keys_that_peft_users_write_for_one_module_are_taken(methods):
    keys = {"q_proj": 4, r"^model\.layers\.0\.self_attn\.v_proj$": 2}
    assert safe(methods, rank_pattern=keys)["rank_pattern"] == keys


def test_a_feedforward_pattern_is_refused(methods):
    with pytest.raises(AdapterUploadError, match=r"feedforward_modules holds .* no plain name"):
        safe(methods, "ia3", target_modules=["q_proj"], feedforward_modules=HANGS)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"r": "8"}, "r = '8': a whole number is needed"),
        ({"r": True}, "r = True: a whole number is needed"),
        ({"r": 8.5}, "r = 8.5: a whole number is needed"),
        ({"r": 10**9}, "r = 1000000000: at most 4,096 is taken"),
        ({"lora_dropout": "0"}, "lora_dropout = '0': a number is needed"),
        ({"lora_alpha": float("nan")}, "lora_alpha = nan: a number is needed"),
        ({"use_dora": 1}, "use_dora = 1: true or false is needed"),
        ({"layers_to_transform": ["0"]}, "layers_to_transform = .*: whole numbers are needed"),
        ({"target_modules": [1]}, "target_modules = .*: names of modules are needed"),
        ({"target_modules": {"a": 1}}, "target_modules = .*: names of modules are needed"),
        ({"target_modules": ["a"] * 2001}, "target_modules has 2,001 names"),
        ({"modules_to_save": ["a"] * 65}, "modules_to_save has 65 names"),
        ({"rank_pattern": ["q_proj"]}, "rank_pattern = .*: modules with a number each"),
        ({"rank_pattern": {"q_proj": "4"}}, "rank_pattern, q_proj: '4' is no number"),
        ({"rank_pattern": {f"m{n}": 4 for n in range(501)}}, "rank_pattern has 501 modules"),
        ({"bias": ["all"]}, "bias = .*: a word is needed"),
        ({"from_the_future": 3}, "peft 0.21 has no setting 'from_the_future'"),
        ({"megatron_config": {"a": 1}, "megatron_core": "antigravity"}, "megatron_config is set"),
        ({"layer_replication": [[0, 10**6]]}, "layer_replication is set, which does not run"),
        ({"kasa_config": {"beta": 1}}, "KaSA cuts the base's weights"),
    ],
)
def test_a_setting_of_another_type_or_size_is_refused(methods, given, sentence):
    with pytest.raises(AdapterUploadError, match=sentence):
        safe(methods, **given)


@pytest.mark.parametrize(
    ("method", "given", "sentence"),
    [
        ("fourierft", {"n_frequency": 10**8}, "100,000,000, and the longest side .* is 576"),
        ("prompt-tuning", {"token_dim": 10**6}, "token_dim = 1,000,000, and the longest side"),
        ("tinylora", {"u": 576, "r": 256}, "u 576 · r 256 · r 256 numbers for each linear"),
        ("oft", {"num_cayley_neumann_terms": 10**6}, "num_cayley_neumann_terms = 1000000"),
        ("shadow", {"shadow_model": "someone/else"}, "shadow_model names a model of its own"),
    ],
)
def test_a_size_that_no_tensor_tells_of_is_refused(methods, method, given, sentence):
    with pytest.raises(AdapterUploadError, match=sentence):
        safe(methods, method, **given)


def test_seeds_and_steps_are_no_sizes(methods):
    assert safe(methods, "vera", projection_prng_key=2**31 - 1)["projection_prng_key"] == 2**31 - 1
    assert safe(methods, "adalora", total_step=10**6)["total_step"] == 10**6
    assert safe(methods, "randlora", randlora_alpha=50_000)["randlora_alpha"] == 50_000
    assert safe(methods, lora_alpha=0.5)["lora_alpha"] == 0.5


@pytest.mark.parametrize(
    ("start", "kept"),
    [
        (True, True), (False, True), ("gaussian", True), ("orthogonal", True), ("eva", True),
        ("mica", True), ("pissa", "pissa"), ("olora", "olora"), (None, True),
    ],
)  # fmt: skip
def test_a_start_that_takes_from_the_base_is_kept(methods, start, kept):
    assert safe(methods, init_lora_weights=start)["init_lora_weights"] == kept


@pytest.mark.parametrize("start", ["pissa_niter_4", "corda", "loftq", "lora_ga", "Pissa_niter_x"])
def test_a_start_that_cannot_be_made_again_is_refused(methods, start):
    with pytest.raises(AdapterUploadError, match=rf"init_lora_weights = '{start}': this start "):
        safe(methods, init_lora_weights=start)
    with pytest.raises(AdapterUploadError, match=r"peft 0\.21 has no such start"):
        safe(methods, init_lora_weights="x" * 99)


def test_names_in_bulk_are_read_in_no_time(methods):
    begun = time.perf_counter()
    safe(methods, target_modules=["a" * names.LONGEST] * names.MOST_NAMES)
    assert time.perf_counter() - begun < ENDS_IN_TIME
