"""`python -m explorer.lab.worker`: serve an engine over pipes, or carry out one run's job.

python -m explorer.lab.worker [--device cuda:0]                      JSON lines on stdin and stdout
accelerate launch --multi_gpu -m explorer.lab.worker --job FILE      one run on all devices (DDP)
accelerate launch --use_fsdp --fsdp_version 2 -m …                   the same with sharded weights

`explorer train … --write-job FILE` writes the file, and a run's own job.json is one; `--run FOLDER`
carries out a folder that holds one. Without a GPU, several processes share the cores with
`--num_processes 2` and ACCELERATE_USE_CPU=true in the environment; the losses are those of one.
"""

import argparse
import os
import queue
import sys
import threading
from pathlib import Path
from typing import TextIO

from explorer.lab.protocol import TO_WORKER, Over, Stop, Submit, Told
from explorer.lab.worker.launched import carry_out
from explorer.lab.worker.worker import Worker

Order = Submit | Stop | None  # None: the engine is gone
COURTESY = 5  # how far the worker steps back from a core that others want
GRACE = 20.0  # seconds that a bit of work may take after the engine has gone


def main() -> None:
    """Read the command line and do as it says."""
    parser = argparse.ArgumentParser(prog="explorer.lab.worker")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--run", type=Path, help="a run folder to carry out, then leave")
    parser.add_argument("--job", type=Path, help="a job to carry out in a new run, then leave")
    args = parser.parse_args()
    if args.run or args.job:
        sys.exit(carry_out(args.run, args.job))
    else:
        # On a machine with few cores the page and its browser come first: a click on Stop must
        # not wait for the arithmetic that it stops.
        if hasattr(os, "nice"):
            os.nice(COURTESY)
        serve(Worker(args.device), lines_out())


def serve(worker: Worker, out: TextIO) -> None:
    """Work while the engine lives: take orders between turns, tell what happens."""
    orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
    threading.Thread(target=read_orders, args=(sys.stdin, orders), daemon=True).start()
    try:
        while take_orders(worker, orders, out):
            tell(worker.poll(), out)
    except BrokenPipeError:
        pass  # the engine is gone: nobody is left to tell
    finally:
        worker.close()


def take_orders(worker: Worker, orders: "queue.SimpleQueue[Order]", out: TextIO) -> bool:
    """Take all that has come in, or wait when there is nothing to do; False at the end."""
    while not (worker.busy and orders.empty()):
        order = orders.get()
        if order is None:
            return False
        if isinstance(order, Submit):
            worker.submit(order.task, order.request)
        else:
            tell(worker.stop(order.task), out)
    return True


def read_orders(source: TextIO, orders: "queue.SimpleQueue[Order]") -> None:
    """Pass orders on; when the engine is gone, leave, by force if a turn does not end."""
    for line in source:
        orders.put(TO_WORKER.validate_json(line))
    orders.put(None)
    threading.Event().wait(GRACE)
    os._exit(1)


def tell(messages: "list[Told | Over]", out: TextIO) -> None:
    """Write messages as lines; an engine that is gone is noticed by the reader."""
    for message in messages:
        out.write(message.model_dump_json() + "\n")
    if messages:
        out.flush()


def lines_out() -> TextIO:
    """A private copy of stdout; whatever else prints goes to stderr and cannot spoil a line."""
    private = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return private


if __name__ == "__main__":
    main()
