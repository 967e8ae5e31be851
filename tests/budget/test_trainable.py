"""Trainable counts: the data files' formulas against what peft allocates on the meta device."""

import re
import textwrap

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model

from explorer.budget.plan import make_plan
from explorer.budget.resolve import resolve
from explorer.budget.script import training_script
from explorer.budget.sites import ATTENTION, MLP
from explorer.budget.trainable import count_trainable
from explorer.catalogue.architecture import Architecture, VisionArchitecture
from explorer.catalogue.catalogue import DATA, load_catalogue
from explorer.catalogue.errors import ExplorerError, UnknownNameError
from explorer.catalogue.load import load_folder
from explorer.catalogue.method import Method
from explorer.methods import attach
from tests.budget.meta import build, meta_model

METHODS = load_folder(DATA / "methods", Method)
LINEARS = (*ATTENTION, *MLP)

LLAMA_1_7B = Architecture(
    hidden_size=4096,
    intermediate_size=11008,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=32,
    head_dim=128,
    vocab_size=32000,
)
LLAMA_1_65B = LLAMA_1_7B.model_copy(
    update={
        "hidden_size": 8192,
        "intermediate_size": 22016,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
        "num_key_value_heads": 64,
    }
)
LLAMA_3_8B = LLAMA_1_7B.model_copy(
    update={"intermediate_size": 14336, "num_key_value_heads": 8, "vocab_size": 128256}
)


def trained(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def peft_count(arch: Architecture, **knobs) -> int:
    model = meta_model(arch)
    with torch.device("meta"):
        return trained(get_peft_model(model, LoraConfig(**knobs), low_cpu_mem_usage=True))


@pytest.mark.parametrize(
    ("method", "knobs", "arch", "count"),
    [
        ("lora", {"r": 8}, LLAMA_1_7B, 4_194_304),
        ("lora", {"r": 8}, LLAMA_1_65B, 20_971_520),
        ("lora", {"r": 8}, LLAMA_3_8B, 3_407_872),
        ("qlora", {"r": 64}, LLAMA_1_7B, 159_907_840),
        ("qlora", {"r": 64}, LLAMA_1_65B, 799_539_200),
        ("qlora", {"r": 64}, LLAMA_3_8B, 167_772_160),
        ("llama-adapter-v1", {}, LLAMA_1_7B, 1_229_760),
        ("llama-adapter-v1", {}, LLAMA_1_65B, 6_394_752),
        ("llama-adapter-v2", {}, LLAMA_1_7B, 2_764_800),
        ("llama-adapter-v2", {}, LLAMA_1_65B, 13_811_712),
        ("llama-adapter-v2", {}, LLAMA_3_8B, 2_887_680),
        ("full", {}, LLAMA_1_7B, 6_738_415_616),
        ("norms-and-biases", {}, LLAMA_1_7B, 65 * 4096),
    ],
)
def test_counts_are_those_that_were_published_or_allocated(method, knobs, arch, count):
    found = count_trainable(arch, METHODS[method], knobs)
    assert found.total == count
    assert sum(found.by_site.values()) == count
    assert found.percent == pytest.approx(
        100 * count / count_trainable(arch, METHODS["full"]).total
    )


def test_gates_and_layers_of_the_attention_methods_follow_their_knobs():
    count = count_trainable(LLAMA_1_7B, METHODS["llama-adapter-v1"], {"adapter_layers": 3})
    assert count.total == 3 * (10 * 4096 + 32)
    assert count.layers == (29, 30, 31)
    with pytest.raises(ExplorerError, match="the model has 32"):
        count_trainable(LLAMA_1_7B, METHODS["llama-adapter-v1"], {"adapter_layers": 33})


@st.composite
def shapes(draw):
    kv_heads, groups = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return Architecture(
        hidden_size=kv_heads * groups * 8,
        intermediate_size=draw(st.integers(1, 50)),
        num_hidden_layers=draw(st.integers(1, 4)),
        num_attention_heads=kv_heads * groups,
        num_key_value_heads=kv_heads,
        head_dim=8,
        vocab_size=50,
        tie_word_embeddings=draw(st.booleans()),
    )


# peft warns that a tied head is awkward to merge; it allocates all the same.
@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning")
@settings(max_examples=25, deadline=None)
@given(
    arch=shapes(),
    rank=st.integers(1, 70),
    dora=st.booleans(),
    targets=st.sets(st.sampled_from([*LINEARS, "lm_head"]), min_size=1),
)
def test_lora_counts_as_peft_at_any_rank_on_any_targets(arch, rank, dora, targets):
    knobs = {"r": rank, "target_modules": ",".join(sorted(targets))}
    real = peft_count(arch, r=rank, target_modules=sorted(targets), use_dora=dora)
    assert count_trainable(arch, METHODS["lora"], knobs | {"use_dora": dora}).total == real
    if not dora:
        assert count_trainable(arch, METHODS["qlora"], knobs).total == real


VISION = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "image_size": 28,
    "patch_size": 14,
    "vision_output_dim": 64,
}
SMALL = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 100,
}
MLLAMA = Architecture(
    model_type="mllama",
    cross_attention_layers=(1,),
    vision=VisionArchitecture(
        **VISION,
        num_global_layers=1,
        max_num_tiles=4,
        max_aspect_ratio_id=8,
        intermediate_layers_indices=(0,),
    ),
    **SMALL,
)
LLAMA4 = Architecture(
    model_type="llama4",
    num_local_experts=3,
    num_experts_per_tok=1,
    moe_layers=(1, 3),
    intermediate_size_mlp=80,
    vision=VisionArchitecture(**VISION, projector_input_dim=48, projector_output_dim=48),
    **SMALL,
)


@pytest.mark.parametrize("arch", [MLLAMA, LLAMA4], ids=["mllama", "llama4"])
@pytest.mark.parametrize(
    "targets", [("q_proj", "v_proj"), LINEARS, ("fc1", "fc2"), ("embed_tokens", "lm_head")]
)
def test_targets_reach_into_the_vision_tower_as_in_peft(arch, targets):
    found = count_trainable(arch, METHODS["lora"], {"r": 5, "target_modules": targets})
    assert found.total == peft_count(arch, r=5, target_modules=list(targets))


NORMS = ["ln-tuning", "norms-and-biases", "full"]
SHAPES = {
    "llama": LLAMA4.model_copy(
        update={"model_type": "llama", "moe_layers": (), "vision": None, "mlp_bias": True}
    ),
    "mllama": MLLAMA,
    "mllama's text model": MLLAMA.model_copy(update={"vision": None}),
    "llama4": LLAMA4.model_copy(update={"attention_bias": True}),
    "llama4's text model": LLAMA4.model_copy(update={"vision": None}),
}


@pytest.mark.filterwarnings("ignore:Unsupported layer type")  # norms that are not torch's own
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("method", NORMS)
def test_norms_and_biases_of_an_image_encoder_train_with_the_others(method, shape):
    arch = SHAPES[shape]
    with torch.device("meta"):
        real = trained(attach(meta_model(arch), method))
    found = count_trainable(arch, METHODS[method])
    assert found.total == real
    assert found.exact


@pytest.mark.parametrize("shape", SHAPES)
def test_the_program_trains_the_same_norms_and_biases(shape):
    arch = SHAPES[shape]
    plan = make_plan(model="small", architecture=arch, method="norms-and-biases")
    program = training_script(resolve(plan, load_catalogue()), load_catalogue())
    rule = re.search(r"    for name, parameter in .*\n.*\n", program).group()
    model = meta_model(arch)
    exec(textwrap.dedent(rule), {"model": model})  # our own text
    assert trained(model) == count_trainable(arch, METHODS["norms-and-biases"]).total


def test_llama_3_2_vision_has_as_many_norms_as_peft_finds():
    arch = load_catalogue().model("llama-3.2-11b-vision").architecture
    assert count_trainable(arch, METHODS["ln-tuning"]).total == 536_576
    assert count_trainable(arch, METHODS["norms-and-biases"]).total == 803_840


LLAMA = SHAPES["llama"]


# peft warns that the head is among the targets, or that it is tied
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("arch", [LLAMA, MLLAMA, LLAMA4], ids=["llama", "mllama", "llama4"])
@pytest.mark.parametrize("layers", [(0,), (1, 3)])
@pytest.mark.parametrize("targets", [("q_proj", "lm_head"), ("fc1", "q_proj", "o_proj")])
def test_layers_select_in_both_towers_and_leave_the_head_to_its_name_as_in_peft(
    arch, layers, targets
):
    targets = tuple(t for t in targets if arch.vision or t != "fc1")
    knobs = {"r": 5, "target_modules": list(targets), "layers_to_transform": list(layers)}
    assert count_trainable(arch, METHODS["lora"], knobs).total == peft_count(arch, **knobs)


@pytest.mark.parametrize("para", [True, False])
def test_a_rank_of_deft_above_the_width_is_capped_as_in_peft(para):
    knobs = {"r": 50, "para": para, "target_modules": "q_proj,k_proj"}  # k_proj is 32 wide
    real = trained(attach(build(LLAMA), "deft", knobs))
    assert count_trainable(LLAMA, METHODS["deft"], knobs).total == real


def test_a_bias_is_one_more_column_of_what_adamss_clusters():
    arch = LLAMA.model_copy(update={"intermediate_size": 24})
    knobs = {"subspace_rank": 1, "num_subspaces": 2, "target_modules": "down_proj"}  # 24 to 64
    real = trained(attach(build(arch), "adamss", knobs))
    found = count_trainable(arch, METHODS["adamss"], knobs)
    assert found.total == real == 4 * (64 + 2 * 25)
    assert not found.exact


def test_mistakes_are_told_in_sentences():
    with pytest.raises(UnknownNameError, match="There is no knob 'rank'"):
        count_trainable(LLAMA_1_7B, METHODS["lora"], {"rank": 8})
    with pytest.raises(ExplorerError, match="a whole number from 1 to"):
        count_trainable(LLAMA_1_7B, METHODS["lora"], {"r": 0})
    with pytest.raises(UnknownNameError, match="Did you mean 'q_proj'"):
        count_trainable(LLAMA_1_7B, METHODS["lora"], {"target_modules": "q_poj"})
