"""A run's adapter merged into its base, as an ordinary checkpoint, and whether it is the same.

`python -m explorer.lab.worker.export RUN_FOLDER OUT` writes the checkpoint and prints the check.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import nn
from transformers import AutoModelForCausalLM

from explorer.catalogue.errors import ExplorerError
from explorer.lab.bases import find_base
from explorer.lab.datasets import task_rows
from explorer.lab.job import TrainJob
from explorer.lab.merge import demand_mergeable
from explorer.lab.runs import Run
from explorer.lab.worker.adapters import load_adapter
from explorer.lab.worker.evaluate import encode_rows
from explorer.lab.worker.shelf import Loaded, Shelf

PROMPTS = 8  # held-out rows that are compared
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 2e-2}  # of the largest logit


def export(run: Run, out: Path) -> dict[str, Any]:
    """Write the merged checkpoint into `out`; returns the check of it.

    The check holds the checkpoint as it is read back from disk against base and adapter side by
    side: `max_difference` over the logits of all held-out tokens, beside `adapter_moves`, which is
    how far the adapter moves them. Raises MergeError for a method that does not merge.
    """
    job = run.job
    demand_mergeable(job)
    loaded = _base(job)
    rows = encode_rows(
        loaded.tokenizer, task_rows(job.task, "heldout")[:PROMPTS], job.system, 10**6
    )
    texts = [list(row.input_ids) for row in rows]
    plain = logits(loaded.model, texts)
    model = load_adapter(loaded, run.adapter)
    wanted = logits(model, texts)
    merged = model.merge_and_unload(safe_merge=True) if isinstance(model, PeftModel) else model
    merged.save_pretrained(out)
    loaded.tokenizer.save_pretrained(out)
    del merged, model
    again = AutoModelForCausalLM.from_pretrained(out, dtype=loaded.dtype, use_safetensors=True)
    found = logits(again.eval(), texts)
    difference, largest = _furthest(found, wanted), max(float(w.abs().max()) for w in wanted)
    same = [(f.argmax(-1) == w.argmax(-1)).float() for f, w in zip(found, wanted, strict=True)]
    return {
        "passed": difference <= TOLERANCE[loaded.dtype] * largest,
        "max_difference": difference,
        "adapter_moves": _furthest(plain, wanted),
        "largest_logit": largest,
        "same_next_token": float(torch.cat(same).mean()),
        "tokens": sum(map(len, texts)),
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "trained_over": job.quantization,
        "bytes": sum(path.stat().st_size for path in out.iterdir()),
    }


def _base(job: TrainJob) -> Loaded:
    """The base unquantized, as exact as its files are."""
    stored = find_base(job.base, allow_paths=True).config
    kind = str(stored.get("dtype") or stored.get("torch_dtype") or "float32")
    precision = "float32" if kind == "float32" else "bfloat16"
    found = list(Shelf(torch.device("cpu")).get(job.base, "none", precision=precision))
    return found[-1]


@torch.no_grad()
def logits(model: nn.Module, texts: list[list[int]]) -> list[torch.Tensor]:
    """[T, V] in float32 for each text."""
    return [
        model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].float() for ids in texts
    ]


def _furthest(one: list[torch.Tensor], other: list[torch.Tensor]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(one, other, strict=True))


def main(folder: str, out: str) -> None:
    """Print the check as JSON; a refusal is a sentence on stderr and exit code 2."""
    try:
        found = export(Run(Path(folder).name, Path(folder)), Path(out))
    except ExplorerError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
