"""The three own methods under everything a LLaMA of today is asked to do."""

import subprocess
import sys
import warnings

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaForSequenceClassification
from transformers.models.llama4 import Llama4ForCausalLM, Llama4TextConfig
from transformers.models.mllama import MllamaForCausalLM, MllamaTextConfig

from explorer.catalogue.errors import ExplorerError
from explorer.methods import LlamaAdapterV2Config
from tests.methods.comparing import (
    CACHES,
    OWN,
    gradients,
    in_steps,
    logits,
    new_cache,
    randomise,
    relative,
)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_it_starts_as_the_base_bit_for_bit(tiny_llama, own_config, token_ids, attention, dtype):
    base = tiny_llama("wide", attention).to(dtype)
    expected = logits(base, token_ids)
    model = get_peft_model(base, own_config)
    trained = [p for p in model.parameters() if p.requires_grad]
    assert {p.dtype for p in trained} == {torch.float32}
    assert torch.equal(logits(model, token_ids), expected)


@pytest.mark.parametrize("shape", ["mha", "wide"])
@pytest.mark.parametrize("cache", CACHES)
def test_step_by_step_with_a_cache_equals_the_whole(adapted, token_ids, shape, cache):
    model = adapted(shape)
    whole = logits(model, token_ids)
    steps = in_steps(model, token_ids, new_cache(model.config, cache))
    torch.testing.assert_close(steps, whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", [{"do_sample": False}, {"num_beams": 3}], ids=str)
def test_generation_is_the_same_with_every_cache(adapted, token_ids, settings):
    model = adapted("wide")
    settings = {"input_ids": token_ids, "max_new_tokens": 8, **settings}
    plain = model.generate(use_cache=False, **settings)
    assert torch.equal(model.generate(**settings), plain)
    static = model.generate(cache_implementation="static", disable_compile=True, **settings)
    assert torch.equal(static, plain)


def test_a_left_padded_batch_gives_what_each_text_gives_alone(adapted, token_ids):
    model = adapted()
    short, long = token_ids[0, :5], token_ids[1]
    batch = torch.stack([torch.cat([torch.zeros(4, dtype=torch.long), short]), long])
    mask = torch.ones_like(batch)
    mask[0, :4] = 0
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    together = logits(model, batch, attention_mask=mask, position_ids=positions)
    torch.testing.assert_close(together[0, 4:], logits(model, short[None])[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together[1], logits(model, long[None])[0], rtol=1e-4, atol=1e-5)


def test_eager_attention_shows_the_weights_of_every_layer(adapted, token_ids):
    model = adapted(attention="eager")
    with torch.no_grad():
        model(token_ids, output_attentions=True)  # hooks stand before and after the adapter
        output = model(token_ids, output_attentions=True, output_hidden_states=True)
    assert [weights.shape for weights in output.attentions] == [(2, 4, 9, 9)] * 4
    for weights in output.attentions:
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 9))
    assert len(output.hidden_states) == 5


def test_an_eval_pass_then_steps_move_every_tensor_and_nothing_else(adapted, token_ids):
    model = adapted()
    logits(model, token_ids)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    model.train()
    for _ in range(5):
        optimizer.zero_grad()
        model(input_ids=token_ids, labels=token_ids).loss.backward()
        optimizer.step()
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == trained


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_gradient_checkpointing_changes_no_gradient(adapted, token_ids, use_reentrant):
    model = adapted()
    expected = gradients(model, token_ids)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # transformers 5.23 has a newer name for it
        model.gradient_checkpointing_enable({"use_reentrant": use_reentrant})
    if use_reentrant:
        model.enable_input_require_grads()
    assert relative(gradients(model, token_ids), expected) < 1e-6


def test_torch_compile_gives_the_same_numbers(adapted, token_ids):
    model = adapted(num_hidden_layers=2)
    expected, slope = logits(model, token_ids), gradients(model, token_ids)
    torch._dynamo.reset()
    model.base_model.model.model.compile(backend="aot_eager")
    assert relative(gradients(model, token_ids), slope) < 1e-5
    assert relative(logits(model.eval(), token_ids), expected) < 1e-5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_16_bit_bases_train_in_their_own_type(adapted, token_ids, dtype):
    model = adapted("wide")
    expected, slope = logits(model, token_ids), gradients(model, token_ids)
    for module in model.base_model.model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad:
                setattr(module, name, torch.nn.Parameter(parameter.to(dtype), requires_grad=False))
    actual = logits(model.eval(), token_ids)
    assert actual.dtype == dtype
    assert relative(actual, expected) < 0.05
    assert relative(gradients(model, token_ids), slope) < 0.1


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_autocast_computes_in_16_bits(adapted, token_ids, attention):
    model = adapted("wide", attention)
    expected, slope = logits(model, token_ids), gradients(model, token_ids)
    with torch.autocast("cpu", torch.bfloat16):
        assert relative(logits(model.eval(), token_ids), expected) < 0.05
        assert relative(gradients(model, token_ids), slope) < 0.1


def test_disabled_the_base_comes_back_bit_for_bit(tiny_llama, own_config, token_ids):
    base = tiny_llama()
    expected = logits(base, token_ids)
    model = get_peft_model(base, own_config)
    randomise(model)
    adapted = logits(model, token_ids)
    with model.disable_adapter():
        assert torch.equal(logits(model, token_ids), expected)
    assert torch.equal(logits(model, token_ids), adapted)
    assert not torch.allclose(adapted, expected, atol=1e-2)
    assert torch.equal(logits(model.unload(), token_ids), expected)


def test_strength_leads_from_the_base_to_the_adapter_and_beyond(tiny_llama, own_config, token_ids):
    base = tiny_llama()
    expected = logits(base, token_ids)
    model = get_peft_model(base, own_config)
    randomise(model, scale=0.1)
    trained = logits(model, token_ids)
    distance = {}
    for strength in (0.0, 0.5, 1.0, 2.0):
        model.set_strength("default", strength)
        distance[strength] = relative(logits(model, token_ids), expected)
    assert distance[0.0] == 0
    assert 0 < distance[0.5] < distance[1.0] < distance[2.0]
    model.set_strength("default", 1.0)
    assert torch.equal(logits(model, token_ids), trained)
    with pytest.raises(ExplorerError, match=r"strength = -1: it takes a finite number"):
        model.set_strength("default", -1)
    with pytest.raises(ExplorerError, match=r"There is no adapter 'other' here; there is default"):
        model.set_strength("other", 1)


def test_two_adapters_on_one_base_do_not_leak(tiny_llama, own_config, token_ids):
    model = get_peft_model(tiny_llama(), own_config)
    randomise(model, seed=1)
    first = logits(model, token_ids)
    other = type(own_config)(
        **{**own_config.to_dict(), "adapter_layers": 1, "inference_mode": False}
    )
    model.add_adapter("other", other)
    assert torch.equal(logits(model, token_ids), first)
    model.set_adapter("other")
    assert {n.rsplit(".", 1)[1] for n, p in model.named_parameters() if p.requires_grad} == {
        "other"
    }
    randomise(model, seed=2)
    second = logits(model, token_ids)
    assert not torch.allclose(first, second, atol=1e-2)
    model.set_adapter("default")
    assert torch.equal(logits(model, token_ids), first)
    with pytest.warns(UserWarning, match="default was active which is now deleted"):
        model.delete_adapter("default")
    assert model.active_adapters == model.base_model.active_adapters == ["other"]
    assert torch.equal(logits(model, token_ids), second)


def test_an_adapter_for_each_row_is_refused(adapted, token_ids):
    model = adapted()
    with pytest.raises(ExplorerError, match=r"adapter_names: .* acts on all rows of a batch alike"):
        model(token_ids, adapter_names=["__base__", "default"])
    with pytest.raises(ExplorerError, match="run its rows by themselves"):
        model.generate(input_ids=token_ids, adapter_names=["__base__", "default"])


@pytest.mark.parametrize("method", ["V1", "Excitor"])
def test_active_together_two_adapters_add_their_terms(tiny_llama, token_ids, method):
    config = OWN[method]()
    config.gate_activation = "none"  # so that twice the gate is twice the term
    model = get_peft_model(tiny_llama(), config)
    randomise(model, scale=0.3)
    model.add_adapter("twin", config)
    model.load_state_dict(
        {
            name.replace(".default", ".twin"): tensor
            for name, tensor in model.state_dict().items()
            if name.endswith(".default")
        },
        strict=False,
    )
    model.set_strength("default", 2.0)
    twice = logits(model, token_ids)
    model.set_strength("default", 1.0)
    model.base_model.set_adapter(["default", "twin"])
    torch.testing.assert_close(logits(model, token_ids), twice, rtol=1e-4, atol=1e-5)


LOAD = """
import sys, torch
from transformers import LlamaForCausalLM
from peft import PeftModel
import explorer.methods
folder = sys.argv[1]
torch.set_num_threads(1)  # as here: bits depend on it
ids = torch.load(folder + "/ids.pt")
for adapter in sys.argv[2:]:
    base = LlamaForCausalLM.from_pretrained(folder + "/base")
    model = PeftModel.from_pretrained(base, folder + "/" + adapter).eval()
    with torch.no_grad():
        torch.save(model(ids).logits, folder + "/" + adapter + "/logits.pt")
"""


def test_saved_adapters_load_in_a_fresh_process(tiny_llama, token_ids, tmp_path):
    tiny_llama().save_pretrained(tmp_path / "base")
    torch.save(token_ids, tmp_path / "ids.pt")
    expected = {}
    for name, config in OWN.items():
        model = get_peft_model(tiny_llama(), config())
        randomise(model)
        model.save_pretrained(tmp_path / name)
        expected[name] = logits(model, token_ids)
    command = [sys.executable, "-W", "ignore", "-c", LOAD, str(tmp_path), *OWN]
    subprocess.run(command, check=True)
    for name in OWN:
        assert torch.equal(torch.load(tmp_path / name / "logits.pt"), expected[name])


@pytest.mark.parametrize("low_cpu_mem_usage", [False, True])
def test_a_saved_adapter_loads_under_another_name(
    tiny_llama, own_config, token_ids, tmp_path, low_cpu_mem_usage
):
    model = get_peft_model(tiny_llama(), own_config)
    randomise(model)
    model.save_pretrained(tmp_path)
    loaded = get_peft_model(tiny_llama(), own_config)
    loaded.load_adapter(tmp_path, "loaded", low_cpu_mem_usage=low_cpu_mem_usage)
    loaded.set_adapter("loaded")
    assert torch.equal(logits(loaded, token_ids), logits(model, token_ids))
    again = PeftModel.from_pretrained(tiny_llama(), tmp_path, is_trainable=True)
    assert torch.equal(logits(again, token_ids), logits(model, token_ids))
    assert gradients(again, token_ids).abs().sum() > 0


@pytest.mark.filterwarnings("ignore:You are trying to modify a model with PEFT")
@pytest.mark.filterwarnings("ignore:Already found a `peft_config` attribute")
def test_it_does_not_join_an_adapter_of_another_method(tiny_llama, own_config):
    model = get_peft_model(tiny_llama(), LoraConfig(target_modules=["q_proj"]))
    with pytest.raises(ExplorerError, match="cannot join an adapter of another method"):
        get_peft_model(model.base_model.model, own_config)


def test_a_classifier_trains_with_its_head(tiny_llama, own_config, token_ids):
    sizes = tiny_llama().config
    sizes.num_labels = 3
    own_config.task_type = "SEQ_CLS"
    model = get_peft_model(LlamaForSequenceClassification(sizes), own_config)
    randomise(model)
    model(token_ids, labels=torch.tensor([0, 2])).loss.backward()
    trained = [name for name, p in model.named_parameters() if p.grad is not None]
    assert any("score" in name for name in trained)
    assert any("llama_" in name for name in trained)


def test_mllama_is_refused(own_config):
    sizes = MllamaTextConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        cross_attention_layers=[1],
        vocab_size=61,
        pad_token_id=0,
    )
    with pytest.raises(
        ExplorerError, match=r"needs the attention of a LLaMA .*'mllama_text_model'"
    ):
        get_peft_model(MllamaForCausalLM(sizes), own_config)


@pytest.fixture
def tiny_llama4():
    def build(attention="sdpa"):
        torch.manual_seed(0)
        config = Llama4TextConfig(
            hidden_size=32,
            intermediate_size=16,
            intermediate_size_mlp=48,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            vocab_size=61,
            num_local_experts=2,
            interleave_moe_layer_step=2,
            attention_chunk_size=4,
            floor_scale=2,
            max_position_embeddings=64,
            initializer_range=0.2,
            pad_token_id=0,
        )
        config._attn_implementation = attention
        return Llama4ForCausalLM(config).eval()

    return build


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("method", ["V1", "Excitor"])
def test_llama_4_attends_to_prompts_and_extra_keys(tiny_llama4, token_ids, method, attention):
    base = tiny_llama4(attention)
    expected = logits(base, token_ids)
    model = get_peft_model(base, OWN[method]())
    assert torch.equal(logits(model, token_ids), expected)
    randomise(model, scale=0.3)
    whole = logits(model, token_ids)
    assert not torch.allclose(whole, expected, atol=1e-2)
    for cache in CACHES:
        steps = in_steps(model, token_ids, new_cache(model.config, cache))
        torch.testing.assert_close(steps, whole, rtol=1e-4, atol=1e-4)
    assert gradients(model, token_ids).isfinite().all()


def test_llama_4_has_no_linears_for_v2(tiny_llama4):
    with pytest.raises(ExplorerError, match="the experts of Llama 4 are fused tensors"):
        get_peft_model(tiny_llama4(), LlamaAdapterV2Config())


@pytest.mark.parametrize("method", ["V1", "Excitor"])
def test_what_reads_the_input_cannot_be_merged(tiny_llama, method):
    model = get_peft_model(tiny_llama(), OWN[method]())
    for merge in (model.merge_and_unload, model.merge_adapter):
        with pytest.raises(ExplorerError, match="cannot be merged: what it adds depends"):
            merge()
    with pytest.raises(ExplorerError, match="nothing to unmerge"):
        model.unmerge_adapter()
