"""A run of the lab as a program of its own, with transformers and peft alone.

    python reproduce.py [--base FOLDER_OR_REPOSITORY] [--data train.jsonl] [--out adapter]

It prints a line of JSON a step: the step's number, loss (nats an answer token) and learning rate.
"""

import argparse
import contextlib
import json
import math
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import peft
import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

# The values of the run go between these two marks.
# <run>
RUN: dict[str, Any] = {}
PEFT_TYPE: str | None = None
SETTINGS: dict[str, Any] = {}
BASE, CACHED, DTYPE, THREADS = "", "", "float32", 1
# </run>

IGNORED = -100  # the label of a token that the loss does not count


def load_base(place: str, device: str) -> tuple[nn.Module, Any]:
    """The frozen base and its tokenizer, quantized as in the run."""
    dtype, options = getattr(torch, DTYPE), {}
    if RUN["quantization"] == "int8":
        options["quantization_config"] = BitsAndBytesConfig(load_in_8bit=True)
    elif RUN["quantization"] == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=RUN["double_quantization"],
            bnb_4bit_compute_dtype=dtype,
        )
    model = AutoModelForCausalLM.from_pretrained(
        place, dtype=dtype, device_map={"": device}, use_safetensors=True, **options
    )
    for module in model.modules():
        # On a CPU bitsandbytes would repack the weights in evaluation, after which gradients are
        # wrong.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model.requires_grad_(False), AutoTokenizer.from_pretrained(place)


def attach(model: nn.Module) -> nn.Module:
    """The model with the run's adapter on it; without a peft type its own weights train."""
    if PEFT_TYPE is not None:
        kind = peft.mapping.PEFT_TYPE_TO_CONFIG_MAPPING[PEFT_TYPE]
        return peft.get_peft_model(model, kind(task_type="CAUSAL_LM", **SETTINGS))
    for name, parameter in model.named_parameters():
        small = "norm" in name or name.endswith(".bias")
        parameter.requires_grad_(RUN["method"] == "full" or small)
    return model


def token_ids(tokenizer: Any, text: str, plain: bool = False) -> list[int]:
    """The text's tokens; with `plain`, what looks like a special token stays text."""
    found = tokenizer(text, add_special_tokens=False, split_special_tokens=plain)
    return found["input_ids"]


def render(tokenizer: Any, messages: list[dict[str, str]]) -> str:
    """The text that the answer follows."""
    if not tokenizer.chat_template:
        return (tokenizer.bos_token or "") + "".join(f"{m['content']}\n" for m in messages)
    return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)


def encode(tokenizer: Any, row: dict[str, Any]) -> tuple[list[int], int]:
    """Token ids of prompt and answer, and where the answer begins."""
    answer, end = row["completion"], tokenizer.eos_token_id
    if not row.get("prompt"):  # plain text: all of it is learnt
        start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        return [*start, *token_ids(tokenizer, answer, plain=True), end], 1
    messages = [*row.get("history", ()), {"role": "user", "content": row["prompt"]}]
    if RUN["system"] is not None and messages[0]["role"] != "system":
        messages = [{"role": "system", "content": RUN["system"]}, *messages]
    before = render(tokenizer, messages)
    ids, following = encode_messages(tokenizer, messages), answer
    if tokenizer.chat_template:
        said = [*messages, {"role": "assistant", "content": answer}]
        whole = tokenizer.apply_chat_template(said, tokenize=False)
        following = whole[len(before) :] if whole.startswith(before) else answer
    learnt = token_ids(tokenizer, following)
    learnt = learnt[: learnt.index(end)] if end in learnt else learnt
    return [*ids, *learnt, end], len(ids)


def encode_messages(tokenizer: Any, messages: list[dict[str, str]]) -> list[int]:
    """The prompt's tokens. Text that looks like a special token cannot end a turn."""
    special = {*filter(None, tokenizer.all_special_tokens)}
    special |= {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    if not any(token in m["content"] for m in messages for token in special):
        return token_ids(tokenizer, render(tokenizer, messages))
    marks = [f"\ue000{number}\ue001" for number in range(len(messages))]
    marked = [{**m, "content": mark} for m, mark in zip(messages, marks, strict=True)]
    rest, ids = render(tokenizer, marked), []
    for message, mark in zip(messages, marks, strict=True):
        text, _, rest = rest.partition(mark)
        ids += token_ids(tokenizer, text) + token_ids(tokenizer, message["content"], plain=True)
    return ids + token_ids(tokenizer, rest)


def row_numbers(count: int) -> Iterator[list[int]]:
    """Numbers of the rows of one batch after another: a new shuffle each time through."""
    shuffler, waiting = random.Random(RUN["seed"]), []
    while True:
        while len(waiting) < RUN["batch_size"]:
            waiting += shuffler.sample(range(count), count)
        yield waiting[: RUN["batch_size"]]
        waiting = waiting[RUN["batch_size"] :]


def loss_of(model: nn.Module, rows: list[tuple[list[int], int]], pad: int) -> torch.Tensor:
    """Mean cross entropy of the answer tokens, in nats."""
    device = next(model.parameters()).device
    longest = max(len(ids) for ids, _ in rows)
    kept = longest - min(start for _, start in rows) + 1
    ids = torch.full((len(rows), longest), pad, device=device)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
    for number, (row, start) in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row, device=device)
        mask[number, : len(row)] = 1
        # The logits at a place predict the token at the next one.
        labels[number, start - 1 : len(row) - 1] = ids[number, start : len(row)]
    half = DTYPE != "float32"
    with torch.autocast(device.type, getattr(torch, DTYPE)) if half else contextlib.nullcontext():
        logits = model(
            input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=kept
        ).logits
    return nn.functional.cross_entropy(
        logits.float().flatten(0, 1), labels[:, longest - kept :].flatten(), ignore_index=IGNORED
    )


def rate_at(step: int) -> float:
    """The learning rate of step 1, 2, …: linear warm-up, then the decay."""
    warm, (measured, planned) = RUN["warmup_steps"], RUN["planned"]
    steps = planned if step > measured else RUN["steps"]  # a time was given: its first steps told
    if step <= warm:
        return RUN["learning_rate"] * step / warm
    if RUN["schedule"] == "constant" or steps <= warm + 1:
        return RUN["learning_rate"]
    done = (step - warm - 1) / (steps - warm - 1)
    if RUN["schedule"] == "cosine":
        done = 0.5 - 0.5 * math.cos(math.pi * done)
    return RUN["learning_rate"] * (1 - (1 - RUN["final_rate_fraction"]) * done)


def train(model: nn.Module, rows: list[tuple[list[int], int]], pad: int) -> Iterator[float]:
    """The loss of every step; AdamW steps float32 copies where what trains is 16-bit."""
    trained = [p for p in model.parameters() if p.requires_grad]
    masters = [p if p.dtype == torch.float32 else nn.Parameter(p.detach().float()) for p in trained]
    optimizer = torch.optim.AdamW(masters, lr=0.0, weight_decay=RUN["weight_decay"], fused=True)
    order = row_numbers(len(rows))
    model.train()
    for step in range(1, RUN["taken"] + 1):
        loss = loss_of(model, [rows[number] for number in next(order)], pad)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, RUN["clip"])
        for parameter, master in zip(trained, masters, strict=True):
            if master is not parameter and parameter.grad is not None:
                master.grad = parameter.grad.float()
        optimizer.param_groups[0]["lr"] = rate_at(step)
        optimizer.step()
        with torch.no_grad():
            for parameter, master in zip(trained, masters, strict=True):
                if master is not parameter:
                    parameter.copy_(master)
                    master.grad = parameter.grad = None
        optimizer.zero_grad()
        yield loss.item()


def main() -> None:
    """Load, train, tell, save."""
    cache = os.environ.get("EXPLORER_CACHE", str(Path.home() / ".cache" / "llama-peft-explorer"))
    parser = argparse.ArgumentParser(description="Train as a run of the lab did.")
    parser.add_argument("--base", default=str(Path(cache) / CACHED) if CACHED else BASE)
    parser.add_argument("--data", type=Path, default=Path(__file__).with_name("train.jsonl"))
    parser.add_argument("--out", type=Path, help="where the adapter goes; without it, nowhere")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    model, tokenizer = load_base(options.base, options.device)
    lines = options.data.read_text(encoding="utf-8").split("\n")
    rows = [encode(tokenizer, json.loads(line)) for line in lines if line]
    torch.manual_seed(RUN["seed"])  # of the adapter's first values and of dropout
    if RUN["gradient_checkpointing"]:
        newer = getattr(model, "activation_checkpointing_enable", None)
        (newer or model.gradient_checkpointing_enable)({"use_reentrant": False})
    model = attach(model)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    for step, loss in enumerate(train(model, rows, pad), start=1):
        told = {"step": step, "loss": loss, "learning_rate": rate_at(step)}
        print(json.dumps(told), flush=True)  # noqa: T201
    if options.out:
        model.save_pretrained(options.out)


if __name__ == "__main__":
    main()
