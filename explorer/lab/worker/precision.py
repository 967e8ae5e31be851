"""Which floating-point type to compute in: measured once on this machine, then remembered."""

import json
import os
import platform
import time
from functools import cache

import torch

from explorer.lab.folders import cache_folder
from explorer.lab.job import Precision
from explorer.lab.runs import write_atomically

REMEMBERED = "precision.json"
FASTER = 1.3  # bfloat16 has to win by this much to be worth its 8 bits of mantissa


def choose_dtype(asked: Precision, device: torch.device) -> torch.dtype:
    """The type that weights are held and computed in.

    `auto` is bfloat16 on a GPU that has it, and on a CPU where it is measured to be faster:
    2.5 times with AVX512-BF16 or AMX, many times slower without.
    """
    if asked != "auto":
        return torch.float32 if asked == "float32" else torch.bfloat16
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(False) else torch.float32
    return torch.bfloat16 if bfloat16_gain() >= FASTER else torch.float32


@cache
def bfloat16_gain() -> float:
    """How many times faster bfloat16 multiplies matrices than float32 does here."""
    key = f"{platform.processor() or platform.machine()} {_cpu_model()} torch {torch.__version__}"
    path = cache_folder() / REMEMBERED
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if key not in known:
        known[key] = _seconds(torch.float32) / _seconds(torch.bfloat16)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(known, indent=1))
    return known[key]


def set_threads() -> int:
    """One thread a core that this process may run on; returns the number."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = int(asked) if asked.isdigit() and int(asked) > 0 else cores or 1
    torch.set_num_threads(threads)
    return threads


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123  # not a real file
            names = (line.partition(":")[2].strip() for line in file if "model name" in line)
            return next(names, "")
    except FileNotFoundError:  # not Linux
        return ""


def _seconds(dtype: torch.dtype, repeats: int = 5) -> float:
    """The fastest of some products of the size of a small model's MLP."""
    a, b = torch.randn(384, 576, dtype=dtype), torch.randn(576, 1536, dtype=dtype)
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        torch.mm(a, b)
        taken.append(time.perf_counter() - begun)
    return min(taken)
