"""Every method on the text models of Llama 3.2 Vision and Llama 4: it runs, or says why not."""

import copy
from contextlib import suppress
from functools import cache

import pytest
import torch
from transformers.models.llama4 import Llama4ForCausalLM, Llama4TextConfig
from transformers.models.mllama import MllamaForCausalLM, MllamaTextConfig

from explorer.budget.forecast import obstacles
from explorer.budget.plan import make_plan
from explorer.budget.resolve import resolve
from explorer.budget.trainable import count_trainable
from explorer.catalogue.architecture import VisionArchitecture
from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.config import architecture_from_config
from explorer.catalogue.errors import ExplorerError
from explorer.lab.worker.meta import build
from explorer.methods import registry
from explorer.methods.attach import attach
from tests.methods import contract

SHAPE = {name: size for name, size in contract.SIZES.items() if name != "head_dim"}
LLAMA4 = {
    "head_dim": 16,
    "num_hidden_layers": 4,
    "intermediate_size": 64,
    "intermediate_size_mlp": 128,
    "num_local_experts": 2,
    "interleave_moe_layer_step": 2,
    "attention_chunk_size": 4,
    "floor_scale": 2,
}

WITH_TARGETS = [
    name
    for name in registry.names()
    # IA3 needs the linears of the feed-forward named among its targets
    if "target_modules" in registry.record(name).knobs and name != "ia3"
]


@cache
def _model(kind):
    torch.manual_seed(0)
    if kind == "llama4":
        model = Llama4ForCausalLM(Llama4TextConfig(**SHAPE | LLAMA4, initializer_range=0.2))
    else:
        sizes = MllamaTextConfig(**SHAPE, cross_attention_layers=[1], initializer_range=0.2)
        model = MllamaForCausalLM(sizes)
    return model.eval()


def _shape(kind):
    return architecture_from_config(_model(kind).config.to_dict())


@pytest.mark.filterwarnings("ignore")  # peft's own, as in the contract on Llama 3
@pytest.mark.parametrize("kind", ["llama4", "mllama"])
@pytest.mark.parametrize("method_id", registry.names())
def test_it_trains_and_generates_or_says_why_it_cannot(method_id, kind):
    method, base = registry.record(method_id), copy.deepcopy(_model(kind))
    torch.manual_seed(1)
    if kind in method.not_on:
        with pytest.raises(registry.MethodError) as refusal:
            attach(base, method_id, contract.TINY.get(method_id))
        assert str(refusal.value).endswith(f"does not run on {kind}: {method.not_on[kind]}")
        return
    before = contract.logits(base)
    model = attach(base, method_id, contract.TINY.get(method_id))
    counted = count_trainable(_shape(kind), method, contract.TINY.get(method_id))
    assert counted.total == sum(p.numel() for p in contract.trainable(model).values())
    if method.starts_as_base:
        torch.testing.assert_close(contract.logits(model), before, rtol=1e-4, atol=1e-5)
    contract.stir(model)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    assert not torch.allclose(contract.logits(model), before, atol=1e-5)
    contract.train(model, steps=2)
    moved = {name for name, p in model.named_parameters() if not torch.equal(start[name], p)}
    trained = contract.trainable(model)
    assert moved <= trained.keys()
    if kind == "llama4" and method.capability.uses_all:  # without a picture, cross-attention rests
        assert moved == trained.keys()
    if method.capability.generates:
        tokens, cached = contract.generate(model, contract.token_ids(), use_cache=True)
        text = torch.cat([contract.token_ids(), tokens], dim=1)
        whole = contract.logits(model, text)[:, -tokens.shape[1] - 1 : -1]
        torch.testing.assert_close(cached, whole, rtol=1e-3, atol=1e-3)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["llama4", "mllama"])
@pytest.mark.parametrize("method_id", WITH_TARGETS)
def test_on_all_linears_the_formula_is_the_allocation(method_id, kind):
    knobs = contract.TINY.get(method_id, {}) | {"target_modules": "all-linear"}
    torch.manual_seed(1)
    model = attach(copy.deepcopy(_model(kind)), method_id, knobs)
    counted = count_trainable(_shape(kind), registry.record(method_id), knobs)
    assert counted.total == sum(p.numel() for p in contract.trainable(model).values())


VISION = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 128,
    "image_size": 28,
    "patch_size": 14,
    "vision_output_dim": 48,
}


def _sighted(kind):
    """The shape of a whole model: the text model of these tests with an image encoder."""
    own = {"projector_input_dim": 48, "projector_output_dim": 48}
    if kind == "mllama":
        own = {"num_global_layers": 1, "max_num_tiles": 4, "max_aspect_ratio_id": 8}
        own["intermediate_layers_indices"] = (0,)
    vision = VisionArchitecture(**VISION, **own)
    return _shape(kind).model_copy(update={"vision": vision})


def _resolved(arch, method_id):
    knobs = contract.TINY.get(method_id, {})
    plan = make_plan(model="whole", architecture=arch, method=method_id, knobs=knobs)
    return resolve(plan, load_catalogue())


def _refusal(arch, method_id):
    """Why the calculator says that it cannot be run, or None."""
    try:
        told = obstacles(_resolved(arch, method_id))
    except ExplorerError as error:
        return str(error)
    return told[0] if told else None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["llama4", "mllama"])
@pytest.mark.parametrize("method_id", registry.names())
def test_on_a_whole_model_the_calculator_counts_or_refuses_as_peft_does(method_id, kind):
    arch = _sighted(kind)
    torch.manual_seed(0)
    base, ids, model = build(arch), contract.token_ids(), None
    with suppress(ExplorerError):
        model = attach(base, method_id, contract.TINY.get(method_id))
    assert (model is None) == (_refusal(arch, method_id) is not None)
    if model is not None:
        assert model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.isfinite().all()
        count = _resolved(arch, method_id).trainable
        assert count.total == sum(p.numel() for p in contract.trainable(model).values())
