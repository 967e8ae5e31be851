"""What a method needs of its knobs and of the model: refused here as peft refuses it."""

import pytest
import torch

from explorer.budget.forecast import obstacles
from explorer.budget.formula import compile_formula
from explorer.budget.needs import OF_A_SITE
from explorer.budget.plan import make_plan
from explorer.budget.resolve import resolve
from explorer.budget.trainable import known_numbers
from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.methods import attach
from tests.budget.meta import build
from tests.budget.stepping import quantized, small

CATALOGUE = load_catalogue()
WRONG = [
    ("boft", {"boft_block_size": 3}, "boft_block_size = 3 does not divide"),
    ("c3a", {"block_size": 96}, "block_size = 96 does not divide"),
    ("gralora", {"gralora_k": 3, "r": 9}, "gralora_k = 3 does not divide the width 256"),
    ("gralora", {"gralora_k": 4, "r": 6}, "gralora_k = 4 does not divide r = 6"),
    ("road", {"group_size": 96}, "group_size = 96 does not divide"),
    ("vblora", {"vector_length": 96}, "vector_length = 96 does not divide"),
    ("cartridge", {"num_virtual_tokens": 2, "num_frozen_tokens": 400}, "num_frozen_tokens = 400"),
    ("ia3", {"target_modules": "q_proj"}, "feedforward_modules = down_proj"),
    ("lora", {"init_lora_weights": "orthogonal", "r": 5}, "r = 5: .* even"),
    ("lora", {"init_lora_weights": "mica", "r": 129}, "directions of v_proj, which has 128"),
    ("lora", {"init_lora_weights": "mica", "use_dora": True}, "does not combine the two"),
    ("p-tuning", {"encoder_num_layers": 3}, "encoder_num_layers = 3"),
    ("p-tuning", {"encoder_num_layers": 1}, "encoder_num_layers = 1"),
    ("fourierft", {"n_frequency": 256 * 128 + 1}, "v_proj has 256 · 128 = 32,768 weights"),
    ("waveft", {"n_frequency": 256 * 128 + 1}, "v_proj has 256 · 128 = 32,768 weights"),
    ("psoft", {"r": 129}, "v_proj is 256 wide in and 128 out"),
    ("shira", {"r": 86}, "r up to 85 fits"),
    ("supertuning", {"sparsity": 0.99999}, "none of the 65,536 entries of q_proj"),
    ("miss", {"r": 257}, "r = 257: q_proj is 256 wide in"),
    ("miss", {"init_weights": "bat", "r": 96}, "bat cuts the weight into blocks"),
    ("miss", {"init_weights": "mini", "mini_r": 3}, "mini_r = 3 does not divide the width 256"),
    ("llama-adapter-v1", {"adapter_layers": 4}, "adapter_layers = 4: .* from 1 to 3"),
    ("llama-adapter-v2", {"adapter_layers": 4}, "adapter_layers = 4: .* from 1 to 3"),
    ("llama-adapter-v2", {"visual_tokens": 1, "visual_layers": 4}, "visual_layers = 4: .* 1 to 3"),
    ("llama-excitor", {"adapter_layers": 4}, "adapter_layers = 4: .* from 1 to 3"),
    ("adaption-prompt", {"adapter_layers": 4}, "adapter_layers = 4: .* from 1 to 3"),
    ("adalora", {"total_step": 30, "tinit": 20, "tfinal": 10}, "leave none of total_step = 30"),
    ("trainable-tokens", {"token_indices": [1, 256]}, "names token 256; .* from 0 to 255"),
    ("cpt", {"cpt_token_ids": [256] * 8}, "names token 256; .* from 0 to 255"),
    ("cpt", {"cpt_token_ids": [1, 2]}, "cpt_tokens_type_mask has 8 numbers and cpt_token_ids 2"),
]
RIGHT = [
    ("cartridge", {"num_virtual_tokens": 2, "num_frozen_tokens": 1}),
    ("ia3", {"target_modules": "q_proj", "feedforward_modules": ""}),
    ("lora", {"init_lora_weights": "orthogonal", "r": 6}),
    ("lora", {"init_lora_weights": "mica", "r": 128}),
    ("lora", {"init_lora_weights": "pissa", "r": 200, "use_dora": True}),
    ("lora", {"init_lora_weights": "olora", "r": 300}),
    ("lora", {"r": 300}),
    ("tinylora", {"r": 200}),
    ("p-tuning", {"encoder_reparameterization_type": "LSTM", "encoder_num_layers": 3}),
    ("fourierft", {"n_frequency": 256 * 128}),
    ("waveft", {"n_frequency": 256 * 128}),
    ("psoft", {"r": 128}),
    ("shira", {"r": 85}),
    ("supertuning", {"sparsity": 0.9999}),
    ("miss", {"r": 256}),
    ("miss", {"init_weights": "bat", "r": 128}),
    ("miss", {"init_weights": "mini", "mini_r": 4}),
    ("llama-adapter-v2", {"adapter_len": 4, "adapter_layers": 3}),
    ("llama-adapter-v2", {"visual_tokens": 1, "visual_layers": 3}),
    ("adaption-prompt", {"adapter_layers": 3}),
    ("adalora", {"total_step": 31, "tinit": 20, "tfinal": 10}),
    ("lokr", {"decompose_factor": 0}),
    ("lokr", {"decompose_factor": 0, "decompose_both": True, "r": 2}),
    ("trainable-tokens", {"token_indices": [0, 255]}),
]
ignored = pytest.mark.filterwarnings("ignore::UserWarning")  # of peft's, about other uses


def resolved(method, knobs, **values):
    plan = make_plan(model="small", architecture=small(), method=method, knobs=knobs, **values)
    return resolve(plan, CATALOGUE)


def trained(model):
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@ignored
@pytest.mark.parametrize(("method", "knobs", "words"), WRONG, ids=str)
def test_what_peft_refuses_is_refused_in_a_sentence(method, knobs, words):
    with pytest.raises(ExplorerError, match=words):
        resolved(method, knobs)
    with pytest.raises(ExplorerError):
        attach(build(small()), method, knobs)


@ignored
@pytest.mark.parametrize(("method", "knobs"), RIGHT, ids=str)
def test_what_peft_takes_is_taken(method, knobs):
    real = trained(attach(build(small()), method, knobs))
    assert resolved(method, knobs).trainable.total == real


def test_a_context_without_a_label_is_refused():
    knobs = {"cpt_token_ids": [1, 2], "cpt_tokens_type_mask": [1, 3]}
    with pytest.raises(ExplorerError, match=r"largest number is 3, .* a multiple of 4"):
        resolved("cpt", knobs)


@ignored
def test_more_pieces_than_the_bank_holds_attach_but_do_not_run():
    knobs = {"vector_length": 64, "topk": 6, "num_vectors": 5}
    with pytest.raises(ExplorerError, match="the bank holds num_vectors = 5"):
        resolved("vblora", knobs)
    model = attach(build(small()), "vblora", knobs)
    with pytest.raises(RuntimeError, match="out of range"):
        model(input_ids=torch.ones(1, 2, dtype=torch.long))


IDS = torch.tensor([[5, 9, 200, 31]])


@ignored
@pytest.mark.parametrize("shape", [{"head_dim": 64}, {"head_dim": 16}, {"head_dim": 80}], ids=str)
def test_heads_that_adaption_prompt_miscounts_are_told(shape):
    plan = make_plan(model="small", architecture=small(**shape), method="adaption-prompt")
    assert "its prompts do not fit" in obstacles(resolve(plan, CATALOGUE))[0]
    model = attach(build(small(**shape)), "adaption-prompt")
    with pytest.raises((RuntimeError, ZeroDivisionError)):
        model(input_ids=IDS)


@ignored
def test_heads_that_are_wider_but_not_too_wide_for_adaption_prompt_run():
    arch = small(num_key_value_heads=8, head_dim=24)  # 256 over 192 is 1 still
    plan = make_plan(model="small", architecture=arch, method="adaption-prompt")
    assert not obstacles(resolve(plan, CATALOGUE))
    assert attach(build(arch), "adaption-prompt")(input_ids=IDS).logits.isfinite().all()


@ignored
@pytest.mark.parametrize("wrong", [True, False])
def test_more_ranks_than_a_cluster_of_adamss_has_directions_attach_but_do_not_run(wrong):
    knobs = {"r": 3, "subspace_rank": 4 if wrong else 3}
    if not wrong:
        assert resolved("adamss", knobs).trainable.total
    else:
        with pytest.raises(ExplorerError, match="has 3 directions, so it takes 1 to that many"):
            resolved("adamss", knobs)
    model = attach(build(small()), "adamss", knobs)
    if not wrong:
        assert model(input_ids=IDS).logits.isfinite().all()
        return
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        model(input_ids=IDS)


@pytest.mark.parametrize(("length", "rotate"), [(1, False), (1, True), (2, False)])
def test_one_prompt_of_excitor_is_the_base_unless_it_is_rotated(length, rotate):
    knobs = {"adapter_len": length, "rotate": rotate, "gate_init": 3.0, "adapter_layers": 3}
    dead = length == 1 and not rotate
    model = attach(build(small()), "llama-excitor", knobs).eval()
    with torch.no_grad():
        changed = model(input_ids=IDS).logits
        with model.disable_adapter():
            moved = changed - model(input_ids=IDS).logits
    assert (moved.abs().max() < 1e-5) == dead


@ignored
def test_knobs_that_leave_nothing_to_train_are_refused():
    with pytest.raises(ExplorerError, match=r"GLoRA .* has nothing to train on this model"):
        resolved("glora", {"config_A_B": "none"})
    assert trained(attach(build(small()), "glora", {"config_A_B": "none"})) == 0
    biased = make_plan(
        model="small",
        architecture=small(attention_bias=True),
        method="glora",
        knobs={"config_A_B": "none"},
    )
    assert resolve(biased, CATALOGUE).trainable.total


def test_the_sentence_names_knob_width_linear_and_one_that_does():
    with pytest.raises(ExplorerError, match=r"block_size = 96 .* 256 of q_proj; 64 does"):
        resolved("c3a", {"block_size": 96})


@ignored
@pytest.mark.parametrize("quantization", ["nf4", "int8"])
@pytest.mark.parametrize("start", ["true", "gaussian", "pissa", "olora", "orthogonal", "mica"])
def test_starting_values_that_a_quantized_base_cannot_give_are_told(start, quantization):
    held = resolved("lora", {"init_lora_weights": start}, quantization=quantization)
    base = quantized(build(small()).to(torch.bfloat16), held.plan)
    if not obstacles(held):
        assert trained(attach(base, "lora", {"init_lora_weights": start}))
        return
    assert f"init_lora_weights = {start} takes its starting values" in obstacles(held)[0]
    with pytest.raises(ExplorerError, match="LoRA cannot be attached to this model"):
        attach(base, "lora", {"init_lora_weights": start})


def test_a_linear_that_is_left_in_16_bits_takes_any_starting_values():
    knobs = {"init_lora_weights": "pissa"}
    skipped = ("lm_head", "q_proj", "v_proj")
    held = resolved("lora", knobs, quantization="nf4", skipped_modules=skipped)
    assert not obstacles(held)
    assert trained(attach(quantized(build(small()), resolved("lora", knobs).plan), "lora", knobs))


@pytest.mark.parametrize(
    "method", [method.id for method in CATALOGUE.methods.values() if method.needs]
)
def test_defaults_are_fine_and_every_formula_and_sentence_can_be_read(method):
    assert resolved(method, {}).trainable.total
    record = CATALOGUE.method(method)
    known = {*known_numbers(small()), *record.knobs, *OF_A_SITE, "sees_images"}
    for need in record.needs:
        texts = [need.holds, *(formula for _, formula in need.parts if formula)]
        assert set().union(*(compile_formula(text).names for text in texts)) <= known
