"""`explorer bench methods`: what a training step costs with each method of the survey.

Every method gets its own module tree over the same weights, and a round takes one step of each in
turn, so that whatever else the machine does hits all of them. A method's `ratio` is its fastest
step over LoRA's (q and v, rank 8) fastest: what disturbs a step only ever makes it slower.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from explorer.lab.bases import EMBEDDED, BaseMissingError, find_base
from explorer.lab.worker.precision import set_threads
from explorer.lab.worker.shelf import bitsandbytes_settings
from explorer.lab.worker.trainer import checkpoint_activations
from explorer.lab.worker.view import view
from explorer.methods import registry
from explorer.methods.attach import attach
from explorer.methods.quantization import prepare_quantized

BASELINE = "lora"
AGAIN = "lora (again)"  # the same thing twice: how far a ratio of 1 can stray on this machine
SHAPE = {  # of the embedded base, for where it has not been set up
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49_152,
    "tie_word_embeddings": True,
}


def main() -> None:
    """Read the options, measure, print one line of JSON."""
    parser = argparse.ArgumentParser(prog="explorer bench methods", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds (default 5)")
    parser.add_argument("--batch", type=int, default=4, help="texts in a step (default 4)")
    parser.add_argument("--methods", default=",".join(survey()), help="comma separated ids")
    parser.add_argument("--length", type=int, default=128, help="tokens in a text (default 128)")
    args = parser.parse_args()
    threads = set_threads()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    found = measure(device, args.methods.split(","), args.rounds, (args.batch, args.length))
    found |= {"rounds": args.rounds, "batch": args.batch, "length": args.length}
    found |= {"device": str(device), "threads": threads, "torch": torch.__version__}
    sys.stdout.write(json.dumps(found) + "\n")


def measure(
    device: torch.device, methods: Sequence[str], rounds: int, size: tuple[int, int]
) -> dict[str, Any]:
    """Fastest step of `size` tokens [batch, length] in seconds, and its ratio to the baseline's."""
    packs = any(registry.record(method_id).recipe for method_id in methods)
    name, base, packed = load(device, packs)
    steps: dict[str, Callable[[], None]] = {}
    trained: dict[str, int] = {}
    for method_id in [BASELINE, AGAIN, *methods]:
        record = registry.record(BASELINE if method_id == AGAIN else method_id)
        model = view(packed if record.recipe else base)
        if record.recipe and record.recipe.gradient_checkpointing:
            checkpoint_activations(model)
        model = attach(model, record.id)
        trained[method_id] = sum(p.numel() for p in model.parameters() if p.requires_grad)
        steps[method_id] = step_of(model, size)
        note(f"{record.name}: {trained[method_id]:,} parameters")
    taken: dict[str, list[float]] = {method_id: [] for method_id in steps}
    for number in range(rounds + 1):  # the first one warms up
        note(f"round {number} of {rounds}")
        for method_id, step in steps.items():
            seconds = timed(step, device)
            if number:
                taken[method_id].append(seconds)
    return {
        "base": name,
        "baseline": BASELINE,
        "methods": {
            method_id: {
                "ratio": round(min(taken[method_id]) / min(taken[BASELINE]), 4),
                "seconds": round(min(taken[method_id]), 4),
                "trainable": trained[method_id],
            }
            for method_id in steps
        },
    }


def survey() -> list[str]:
    """The survey's methods but the baseline."""
    return [n for n in registry.names() if registry.record(n).survey and n != BASELINE]


def load(device: torch.device, packs: bool) -> tuple[str, PreTrainedModel, PreTrainedModel | None]:
    """The embedded base, or random weights of its shape, in float32 and, if asked, in NF4."""
    quantization = bitsandbytes_settings("nf4", True, torch.float32)
    with tempfile.TemporaryDirectory() as made:
        try:
            folder, name = str(find_base(EMBEDDED).folder), EMBEDDED
        except BaseMissingError:
            folder, name = made, "random weights of the embedded base's shape"
            torch.manual_seed(0)
            LlamaForCausalLM(LlamaConfig(**SHAPE)).save_pretrained(made)
        where: dict[str, Any] = {"dtype": torch.float32, "device_map": {"": device}}
        base = AutoModelForCausalLM.from_pretrained(folder, **where)
        packed = None
        if packs:
            packed = AutoModelForCausalLM.from_pretrained(
                folder, quantization_config=quantization, **where
            )
            prepare_quantized(packed)
    return name, base.requires_grad_(False), packed


def step_of(model: PreTrainedModel | PeftModel, size: tuple[int, int]) -> Callable[[], None]:
    """A whole training step: forward, backward, AdamW."""
    model.train()
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, model.config.vocab_size, size, generator=generator).to(model.device)
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        optimizer.step()

    return step


def timed(step: Callable[[], None], device: torch.device) -> float:
    """Seconds that one step takes."""
    begun = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun


def note(text: str) -> None:
    """Progress, for whoever watches; the result goes to stdout alone."""
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
