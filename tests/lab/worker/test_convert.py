import numpy as np
import pytest
import torch
from gguf import dequantize
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from explorer.lab.worker.convert import SPECIAL_TOKENS, convert
from tests.lab.tiny import HEADS, HIDDEN, KV_HEADS, write_gguf

HF_NAMES = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("convert")
    stored = write_gguf(folder / "tiny.gguf")
    convert(folder / "tiny.gguf", folder / "out")
    return stored, folder / "out"


def rows_as_transformers_keeps_them(weight: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp interleaves the two rotary halves of each head; transformers keeps them apart."""
    per_head = weight.reshape(heads, -1, 2, weight.shape[-1])
    return per_head.swapaxes(1, 2).reshape(weight.shape)


def test_weights_are_the_dequantized_tensors_bit_for_bit(converted):
    stored, out = converted
    loaded = load_file(out / "model.safetensors")
    unseen = set(loaded)
    for name, (data, kind) in stored.items():
        weight = dequantize(data, kind)
        if name == "token_embd.weight":
            target = "model.embed_tokens.weight"
        elif name == "output_norm.weight":
            target = "model.norm.weight"
        else:
            _, layer, part, _ = name.split(".")
            target = f"model.layers.{layer}.{HF_NAMES[part]}.weight"
            heads = {"attn_q": HEADS, "attn_k": KV_HEADS}.get(part)
            weight = rows_as_transformers_keeps_them(weight, heads) if heads else weight
        assert torch.equal(loaded[target], torch.from_numpy(weight.copy())), name
        unseen.remove(target)
    assert not unseen


def test_the_checkpoint_loads_like_any_other_with_a_tied_head(converted):
    _, out = converted
    model = AutoModelForCausalLM.from_pretrained(out)
    assert model.dtype == torch.float32
    assert model.config.hidden_size == HIDDEN
    assert model.config.rms_norm_eps == 1e-5
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_the_tokenizer_splits_digits_before_spaces_join_them(converted):
    _, out = converted
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert tokenizer.tokenize("the  12") == ["t", "he", "ĠĠ", "1", "2"]
    for text in ("the  12 é", " yes"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_the_chat_template_travels_along(converted):
    _, out = converted
    tokenizer = AutoTokenizer.from_pretrained(out)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "hi"}], add_generation_prompt=True, tokenize=False
    )
    assert text == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"


def test_the_special_tokens_are_those_that_the_file_names(converted):
    _, out = converted
    tokenizer = AutoTokenizer.from_pretrained(out)
    named = {kind: getattr(tokenizer, kind) for kind in SPECIAL_TOKENS}
    assert named == {
        "bos_token": "<|im_start|>",
        "eos_token": "<|im_end|>",
        "pad_token": "<|im_end|>",
        "unk_token": "<|endoftext|>",
    }
