"""What is asked of every method, as functions that measure: a check holds or raises.

Everything runs on tiny random LLaMAs with grouped-query attention, whose widths are multiples of 64
(bitsandbytes dequantizes other widths wrongly on some CPUs).
"""

import copy
import json
import sys
import tempfile
from functools import cache
from pathlib import Path

import bitsandbytes as bnb
import torch
from peft import PeftModel, get_peft_model
from transformers import BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

from explorer.methods import registry
from explorer.methods.attach import attach
from explorer.methods.quantization import prepare_quantized

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 97,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}

# Knobs that make the defaults fit into widths of 64 and 32, and keep every method quick.
TINY = {
    "adalora": {"total_step": 100},
    "adamss": {"r": 16, "num_subspaces": 3},
    "c3a": {"block_size": 16},
    "cartridge": {"num_virtual_tokens": 6},
    "fourierft": {"n_frequency": 200},
    "llama-excitor": {"adapter_len": 5},
    "miss": {"r": 8},
    "oft": {"oft_block_size": 16},
    "p-tuning": {"num_virtual_tokens": 5, "encoder_hidden_size": 32},
    "prefix-tuning": {"num_virtual_tokens": 6},
    "prompt-tuning": {"num_virtual_tokens": 5},
    "psoft": {"r": 8},
    "pvera": {"r": 16},
    "qlora": {"r": 4},
    "randlora": {"r": 8, "randlora_alpha": 64},
    "road": {"group_size": 16},
    "supertuning": {"sparsity": 0.9},
    "trainable-tokens": {"token_indices": [3, 10, 33, 56, 82, 90]},
    "unilora": {"theta_d_length": 128},
    "vblora": {"vector_length": 16, "num_vectors": 8},
    "vera": {"r": 16},
    "waveft": {"n_frequency": 200},
}


@cache
def _base():
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SIZES)).eval()
    for name, parameter in model.named_parameters():
        if "norm" not in name:  # larger than at initialisation, so that attention is not flat
            parameter.data.mul_(6)
    return model


def base():
    """A model of its own for the caller to change."""
    return copy.deepcopy(_base())


def base_of(method_id):
    """The base that the method is meant for: for a recipe its quantized one."""
    return quantized() if registry.record(method_id).recipe else base()


def attached(method_id, model=None, adapter_name="default", seed=1):
    """A tiny model with the method on it."""
    torch.manual_seed(seed)
    model = base_of(method_id) if model is None else model
    return attach(model, method_id, TINY.get(method_id), adapter_name)


def ready(method_id):
    """The method's base without it, as `attach` would leave it."""
    return prepare_quantized(base_of(method_id))


def token_ids(seed=7, rows=2, length=9):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, SIZES["vocab_size"], (rows, length), generator=generator)


def logits(model, ids=None):
    """Logits of the text's own positions in evaluation mode."""
    model.eval()
    ids = token_ids() if ids is None else ids
    with torch.no_grad():
        return model(ids, attention_mask=torch.ones_like(ids)).logits[:, -ids.shape[1] :]


def trainable(model):
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def stir(model, seed=3):
    """Move every trainable tensor off its initial value, so that zeros hide nothing."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in trainable(model).values():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_((0.1 * noise).to(parameter.dtype))
    return model


def train(model, steps=5):
    """A few steps of AdamW on a fixed text."""
    model.train()
    ids = token_ids(11)
    optimizer = torch.optim.AdamW(trainable(model).values(), lr=1e-2, weight_decay=0.0)
    for _ in range(steps):
        optimizer.zero_grad()
        model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids).loss.backward()
        optimizer.step()


@cache
def _moved(method_id):
    """Names of all tensors by (trainable, moved), after an evaluation pass and five steps."""
    model = stir(attached(method_id))
    logits(model)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    train(model)
    sorted_out = {(t, m): [] for t in (True, False) for m in (True, False)}
    for name, parameter in model.named_parameters():
        assert parameter.dtype == torch.uint8 or parameter.isfinite().all(), name
        moved = not torch.equal(before[name], parameter)
        sorted_out[parameter.requires_grad, moved].append(name)
    return sorted_out


def check_trains(method_id):
    """After an evaluation pass five steps move the method's tensors and no other."""
    assert _moved(method_id)[True, True]
    assert not _moved(method_id)[False, True]


def check_uses_all(method_id):
    """Every trainable tensor moves in those steps."""
    assert not _moved(method_id)[True, False]


def generate(model, ids, **settings):
    """Greedy tokens and their logits, `new` of them, with or without the cache."""
    model.eval()
    out = model.generate(
        input_ids=ids,
        max_new_tokens=5,
        min_new_tokens=5,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
        **{"attention_mask": torch.ones_like(ids), **settings},
    )
    return out.sequences[:, -5:], torch.stack(out.logits, dim=1)


def check_generates(method_id):
    """Token by token with the cache, the logits are those of one pass over the whole text."""
    model = stir(attached(method_id))
    tokens, cached = generate(model, token_ids(), use_cache=True)
    text = torch.cat([token_ids(), tokens], dim=1)
    whole = logits(model, text)[:, -tokens.shape[1] - 1 : -1]
    torch.testing.assert_close(cached, whole, rtol=1e-3, atol=1e-4)
    assert torch.equal(whole.argmax(-1), tokens)


def check_left_padding(method_id):
    """A short text gives the same continuation alone and left-padded beside a longer one."""
    model = stir(attached(method_id))
    short, long = token_ids(5, 1, 6), token_ids(6, 1, 9)
    alone, alone_logits = generate(model, short)
    padding = torch.zeros(1, 3, dtype=torch.long)
    batch = torch.cat([torch.cat([padding, short], dim=1), long])
    mask = torch.ones_like(batch)
    mask[0, :3] = 0
    together, together_logits = generate(model, batch, attention_mask=mask)
    assert torch.equal(alone, together[:1])
    torch.testing.assert_close(alone_logits, together_logits[:1], rtol=1e-3, atol=1e-4)


def check_merges(method_id):
    """Merged into the base weights the model gives the same logits, without any adapter left."""
    model = stir(attached(method_id))
    wanted = logits(model)
    merged = model.merge_and_unload()
    assert type(merged) is LlamaForCausalLM
    torch.testing.assert_close(logits(merged), wanted, rtol=1e-3, atol=1e-4)


def check_disables(method_id):
    """With the adapter disabled the base's logits come back bit for bit, the adapter's after it."""
    model = stir(attached(method_id))
    adapted = logits(model)
    with model.disable_adapter():
        plain = logits(model)
    assert torch.equal(plain, logits(ready(method_id)))
    assert torch.equal(logits(model), adapted)
    assert not torch.allclose(adapted, plain, atol=1e-5)


def check_several(method_id):
    """Two adapters on one base: neither the second's arrival nor its training touches the first."""
    model = stir(attached(method_id))
    first = logits(model)
    model = stir(attached(method_id, model, "second", seed=5), seed=6)
    second = logits(model)
    assert not torch.allclose(first, second, atol=1e-5)
    model.set_adapter("default")
    assert torch.equal(logits(model), first)
    model.set_adapter("second")
    train(model, steps=2)
    assert not torch.allclose(logits(model), second, atol=1e-5)
    model.set_adapter("default")
    assert torch.equal(logits(model), first)


WIDTHS = {
    "nf4": {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": torch.float32,
    },
    "int8": {"load_in_8bit": True},
}


@cache
def _quantized(kind):
    config = BitsAndBytesConfig(**WIDTHS[kind])
    with tempfile.TemporaryDirectory() as folder:
        base().save_pretrained(folder)
        model = LlamaForCausalLM.from_pretrained(
            folder, quantization_config=config, dtype=torch.float32, device_map={"": "cpu"}
        )
    model.name_or_path = model.config._name_or_path = ""  # the folder is gone
    return model


def quantized(kind="nf4"):
    """The tiny model in NF4 with double quantization, or in int8."""
    return copy.deepcopy(_quantized(kind))


def dequantized(kind):
    """The same model in float32: every quantized weight replaced by the numbers it stands for."""
    model, packed = base(), dict(_quantized(kind).named_modules())
    for name, module in model.named_modules():
        weight = getattr(packed.get(name), "weight", None)
        if isinstance(weight, bnb.nn.Params4bit):
            module.weight.data = bnb.functional.dequantize_4bit(weight.data, weight.quant_state)
        elif isinstance(weight, bnb.nn.Int8Params):
            module.weight.data = weight.data * weight.SCB[:, None] / 127
    return model


def gradients(model):
    model.train()
    ids = token_ids(11)
    model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids).loss.backward()
    return {name: p.grad for name, p in trainable(model).items()}


def check_four_bit(method_id):
    """Gradients on an NF4 base, after an evaluation pass, are those on its dequantized copy."""
    _check_quantized(method_id, "nf4")


def check_eight_bit(method_id):
    """The same on an int8 base."""
    _check_quantized(method_id, "int8")


def _check_quantized(method_id, kind):
    """A method whose file says no is asked of peft itself, past the refusal of `attach`."""
    packed, method = quantized(kind), registry.record(method_id)
    if method.trains_on(kind) or method.peft_type is None:
        packed = attached(method_id, packed)
    else:
        torch.manual_seed(1)
        config = registry.build_config(method_id, TINY.get(method_id))
        packed = get_peft_model(prepare_quantized(packed), config)
    plain = attached(method_id, dequantized(kind))
    plain.load_state_dict(
        {n: p.detach().clone() for n, p in trainable(packed).items()}, strict=False
    )
    stir(packed), stir(plain)
    logits(packed)
    torch.manual_seed(0)
    measured = gradients(packed)
    torch.manual_seed(0)
    wanted = gradients(plain)
    assert measured.keys() == wanted.keys()
    for name, gradient in wanted.items():
        if gradient is None and measured[name] is None:
            continue
        error = (measured[name] - gradient).norm() / gradient.norm().clamp_min(1e-8)
        assert error <= 1e-2, (name, float(error))


def check_starts_as_base(method_id):
    """Before any step the output is the base model's."""
    model = attached(method_id)
    torch.testing.assert_close(logits(model), logits(ready(method_id)), rtol=1e-4, atol=1e-5)


def save(method_id, folder):
    """Save a stirred method under `folder` and return the logits it gives."""
    model = stir(attached(method_id))
    wanted = logits(model)
    model.save_pretrained(folder / method_id)
    return wanted


def reload(method_id, folder):
    """The logits of a saved method, from its base and its folder alone."""
    if (folder / method_id / "adapter_config.json").exists():
        return logits(PeftModel.from_pretrained(ready(method_id), folder / method_id))
    return logits(LlamaForCausalLM.from_pretrained(folder / method_id))


if __name__ == "__main__":  # a fresh process: every method saved in the folder, loaded again
    saved = Path(sys.argv[1])
    torch.set_num_threads(1)
    failed = {}
    for place in sorted(saved.iterdir()):
        if place.is_dir():
            try:
                torch.save(reload(place.name, saved), saved / f"{place.name}.pt")
            except Exception as error:  # told to the test, method by method
                failed[place.name] = f"{type(error).__name__}: {error}"
    sys.stdout.write(json.dumps(failed))
