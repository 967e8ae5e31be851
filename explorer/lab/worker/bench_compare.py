"""`explorer bench compare`: what six columns cost against one, decoded side by side.

A round answers the same prompt with the base alone, with six different columns, and with six times
the base, one after the other, so that whatever else the machine does hits all of them. `ratio` is
the median over the rounds of the six columns' time divided by the one column's of the same round,
reading the prompt included; `plain_ratio` the same for six times the base, which is what a batch of
six costs before any adapter does anything.
"""

import argparse
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from explorer.lab.bases import EMBEDDED, BaseMissingError, find_base
from explorer.lab.worker.adapters import put_on, save_adapter
from explorer.lab.worker.bench_methods import SHAPE, note
from explorer.lab.worker.precision import choose_dtype, set_threads
from explorer.lab.worker.rows import Column, Part, Request, Sampling, Token, decode
from explorer.lab.worker.rows.joined import lay_side_by_side
from explorer.lab.worker.rows.lanes import make_lanes
from explorer.lab.worker.view import nbytes, view
from explorer.lab.worker.view import storages as base_storages
from explorer.methods.attach import attach

LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
ADAPTERS: dict[str, tuple[str, dict[str, Any]]] = {
    "LoRA on q and v": ("lora", {"target_modules": ("q_proj", "v_proj")}),
    "LoRA on all linears": ("lora", {"target_modules": LINEARS}),
    "LLaMA-Adapter": ("llama-adapter-v1", {}),
    "LLaMA-Adapter V2": ("llama-adapter-v2", {}),
    "LLaMA-Excitor": ("llama-excitor", {}),
}


@dataclass(frozen=True)
class Timing:
    """Seconds of one comparison: to the first token, and to the last."""

    first: float
    whole: float


def main() -> None:
    """Read the options, measure, print one line of JSON."""
    parser = argparse.ArgumentParser(prog="explorer bench compare", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds (default 5)")
    parser.add_argument("--tokens", type=int, default=64, help="tokens a column (default 64)")
    parser.add_argument("--prompt", type=int, default=24, help="tokens of the prompt (default 24)")
    args = parser.parse_args()
    threads = set_threads()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    found = measure(device, args.rounds, args.tokens, args.prompt)
    found |= {"rounds": args.rounds, "tokens": args.tokens, "prompt_tokens": args.prompt}
    found |= {"device": str(device), "threads": threads, "torch": torch.__version__}
    sys.stdout.write(json.dumps(found) + "\n")


def measure(device: torch.device, rounds: int, tokens: int, prompt: int) -> dict[str, Any]:
    """Times, ratios and memory of one column, six columns and six times the base."""
    name, base, tokenizer = load(device)
    note(f"{name}, {str(base.dtype).removeprefix('torch.')}")
    one = Column("base", base)
    settings: dict[str, list[Column]] = {
        "one": [one],
        "six": [*(_column(title, base) for title in ADAPTERS), one],
        "plain": [Column(f"base {place}", base) for place in range(len(ADAPTERS) + 1)],
    }
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, base.config.vocab_size, (prompt,), generator=generator).tolist()
    request = Request(ids, Sampling(max_new_tokens=tokens))
    taken: dict[str, list[Timing]] = {setting: [] for setting in settings}
    for number in range(rounds + 1):  # the first one warms up
        note(f"round {number} of {rounds}")
        for setting, columns in settings.items():
            timing = answered(columns, request, tokenizer)
            if number:
                taken[setting].append(timing)
    result: dict[str, Any] = {
        "base": name,
        "precision": str(base.dtype).removeprefix("torch."),
        "columns": [column.name for column in settings["six"]],
        "ratio": _ratio(taken["six"], taken["one"]),
        "plain_ratio": _ratio(taken["plain"], taken["one"]),
    }
    for setting, timings in taken.items():
        result[f"{setting}_seconds"] = _median([timing.whole for timing in timings])
        result[f"{setting}_first_token_seconds"] = _median([timing.first for timing in timings])
    return result | {"bytes": memory(settings["six"], request)}


def _column(title: str, base: PreTrainedModel) -> Column:
    """The method with no tensor left at a value that would make it do nothing."""
    method, knobs = ADAPTERS[title]
    torch.manual_seed(0)
    model = attach(view(base), method, knobs).eval()
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data + 0.02 * torch.randn_like(parameter)
    with tempfile.TemporaryDirectory() as made:  # as a run's adapter is saved and loaded
        save_adapter(model, Path(made) / "adapter", "base")
        return Column(title, base, (Part(put_on(view(base), Path(made) / "adapter", "base")),))


def load(device: torch.device) -> tuple[str, PreTrainedModel, PreTrainedTokenizerBase]:
    """The embedded base, or random weights of its shape; neither ever ends an answer by itself."""
    dtype = choose_dtype("auto", device)
    try:
        folder, name = str(find_base(EMBEDDED).folder), EMBEDDED
        base = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, device_map={"": device})
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except BaseMissingError:
        name = "random weights of the embedded base's shape"
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as made:
            LlamaForCausalLM(LlamaConfig(**SHAPE)).save_pretrained(made)
            base = AutoModelForCausalLM.from_pretrained(made, dtype=dtype, device_map={"": device})
        words = {f"w{i}": i for i in range(SHAPE["vocab_size"])}
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words)))
    base.generation_config.eos_token_id = tokenizer.eos_token = None
    base.requires_grad_(False).eval()
    lay_side_by_side(base)  # as the worker does with every base
    return name, base, tokenizer


def answered(
    columns: Sequence[Column], request: Request, tokenizer: PreTrainedTokenizerBase
) -> Timing:
    """Answer in all columns, from the adapters as they are loaded to the last token."""
    begun, first = time.perf_counter(), 0.0
    for event in decode(columns, request, tokenizer):
        if isinstance(event, Token) and not first:
            first = time.perf_counter() - begun
    return Timing(first, time.perf_counter() - begun)


def memory(
    columns: Sequence[Column], request: Request, elsewhere: Sequence[torch.UntypedStorage] = ()
) -> dict[str, int]:
    """Bytes of the base, of what the adapters add to it, of their stacks and of the caches.

    `held` is what a comparison holds beside the base, found among all tensors that there are but
    those of `elsewhere`: the stacks, the caches, and of the adapters' own tensors those that are
    no pages of a file.
    """
    base = columns[0].base
    together = nn.ModuleList([base, *(part.model for one in columns for part in one.parts)])
    (lane,) = make_lanes(columns)
    ids = torch.tensor(list(request.prompt_ids), device=lane.base.device)
    for _ in lane.runner.prefill(ids, request.sampling.max_new_tokens):
        pass
    return {
        "base": nbytes(base),
        "adapters": nbytes(together) - nbytes(base),
        "stacks": lane.runner.stack_bytes,
        "caches": lane.runner.cache_bytes,
        "held": held_beside(base, elsewhere),
    }


def held_beside(base: nn.Module, elsewhere: Sequence[torch.UntypedStorage] = ()) -> int:
    """Bytes of all tensors alive but those of `base`, of `elsewhere` and pages of a file."""
    pages = [range(*(int(end, 16) for end in line.split()[0].split("-"))) for line in _mapped()]
    storages = {storage.data_ptr(): storage.nbytes() for storage in alive()}
    for storage in (*base_storages(base), *elsewhere):
        storages.pop(storage.data_ptr(), None)
    return sum(size for place, size in storages.items() if not any(place in own for own in pages))


def alive() -> list[torch.UntypedStorage]:
    """The storage of every tensor that Python knows of and that has memory of its own."""
    gc.collect()
    tensors = [thing for thing in gc.get_objects() if issubclass(type(thing), torch.Tensor)]
    storages = [one.untyped_storage() for one in tensors if one.layout == torch.strided]
    return [storage for storage in storages if _has_memory(storage)]


def _has_memory(storage: torch.UntypedStorage) -> bool:
    """Whether tensors lie there; torch.compile keeps some that only stand for others."""
    if storage.device.type == "meta":
        return False
    try:
        storage.data_ptr()
    except RuntimeError:  # what torch answers of a tensor that wraps another
        return False
    return True


def _mapped() -> list[str]:
    """The lines of this process's memory map that are files of tensors; none but on Linux."""
    maps = Path("/proc/self/maps")
    return (
        [line for line in maps.read_text().splitlines() if ".safetensors" in line]
        if (maps.exists())
        else []
    )


def _ratio(taken: list[Timing], baseline: list[Timing]) -> float:
    """The median of the rounds' quotients."""
    return _median([mine.whole / its.whole for mine, its in zip(taken, baseline, strict=True)])


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 4)


if __name__ == "__main__":
    main()
