"""Carry out run folders one after another, by as many processes as this is launched with."""

import os
import subprocess
import sys
from pathlib import Path

from explorer.lab.worker.launched import carry_out

PROCESSES = ("--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no",
             "--dynamo_backend", "no")  # fmt: skip


def launch(*words: str) -> "subprocess.Popen[str]":
    """`accelerate launch` of these words with two processes on this machine's CPU."""
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "accelerate.commands.launch", *PROCESSES, *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        carry_out(Path(name), None)
