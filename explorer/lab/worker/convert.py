"""A GGUF file to an ordinary checkpoint: `python -m explorer.lab.worker.convert GGUF OUT`."""

import hashlib
import json
import sys
from pathlib import Path

import numpy
import torch
import transformers
from gguf import GGUFReader
from tokenizers import decoders, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from explorer.lab.bases import MANIFEST

SPECIAL_TOKENS = {
    "bos_token": "bos",
    "eos_token": "eos",
    "pad_token": "padding",
    "unk_token": "unknown",
}


def convert(gguf: Path, out: Path) -> None:
    """Write config, safetensors (float32, dequantized), tokenizer and chat template into `out`.

    Transformers undoes llama.cpp's row permutation of the query and key weights. A manifest with
    the size and sha256 of every file is written last.
    """
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    restore_cutting(tokenizer, gguf)
    restore_special_tokens(tokenizer, gguf)
    loaded = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32
    )
    model = plain_copy(loaded)
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    write_manifest(out, gguf)


def plain_copy(loaded: transformers.PreTrainedModel) -> transformers.PreTrainedModel:
    """The model without the mark of a quantized file, which transformers refuses to save.

    GGUF keeps the norm's epsilon in float32 (9.999999747378752e-06); the nearest short decimal
    (1e-05) is the number that the authors wrote.
    """
    settings = loaded.config.to_dict()
    settings.pop("quantization_config", None)
    settings.pop("_name_or_path", None)
    settings["rms_norm_eps"] = float(str(numpy.float32(settings["rms_norm_eps"])))
    model_type = settings.pop("model_type")
    config = AutoConfig.for_model(model_type, **settings)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict(), assign=True)
    model.tie_weights()
    model.generation_config = loaded.generation_config
    return model


def restore_cutting(tokenizer: PreTrainedTokenizerFast, gguf: Path) -> None:
    """Cut a text into pieces, and join them again, as the file's kind of BPE does.

    Transformers reads vocabulary and merges from the file but not the rule `pre = smollm`: single
    digits before byte-level BPE. Without it a run of spaces before a number is cut elsewhere than
    in training. Transformers 5.17 joins the bytes of `model = gpt2` like sentencepiece, which
    loses a space at the start.
    """
    reader, backend = GGUFReader(gguf), tokenizer.backend_tokenizer
    model, rule = (reader.get_field(f"tokenizer.ggml.{name}") for name in ("model", "pre"))
    if model is not None and model.contents() == "gpt2":
        backend.decoder = decoders.ByteLevel()
    if rule is not None and rule.contents() == "smollm":
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )


def restore_special_tokens(tokenizer: PreTrainedTokenizerFast, gguf: Path) -> None:
    """Give the tokenizer the special tokens that the file names.

    Transformers 5.17 takes the token that starts a turn for the end of a text.
    """
    reader = GGUFReader(gguf)
    words = reader.get_field("tokenizer.ggml.tokens")
    for kind, key in SPECIAL_TOKENS.items():
        field = reader.get_field(f"tokenizer.ggml.{key}_token_id")
        if field is not None:
            setattr(tokenizer, kind, words.contents(field.contents()))


def write_manifest(out: Path, gguf: Path) -> None:
    """Record each file's size and sha256, the source's sha256 and the converter's versions."""
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(out.iterdir())
        if path.name != MANIFEST
    }
    manifest = {
        "gguf_sha256": sha256(gguf),
        "transformers": transformers.__version__,
        "torch": torch.__version__,
        "files": files,
    }
    (out / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def sha256(path: Path) -> str:
    """The file's sum as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
