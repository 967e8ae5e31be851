"""Count what transformers and peft allocate for a shape and a method, on torch's meta device."""

import time
from collections.abc import Iterator

import peft
import torch
import transformers

from explorer.catalogue.errors import ExplorerError
from explorer.lab.events import Progress, Report
from explorer.lab.request import CountRequest
from explorer.lab.worker.meta import counted, meta_model
from explorer.methods.attach import attach

# They read numbers while they are set up, which a meta tensor does not have, or build a table of
# all entries of a weight.
NOT_ON_META = frozenset({
    "adamss", "boft", "cpt", "deft", "fourierft", "frod", "osf", "psoft", "shira", "supertuning",
    "tinylora", "unilora", "waveft",
})  # fmt: skip
WHY_NOT = "This method reads the weights' numbers while it is set up, and here there are none."


def count(request: CountRequest) -> Iterator[Progress | Report]:
    """Build the model, count, attach the method, count what trains.

    The report holds total, trainable (None where the method cannot be set up without weights; then
    `note` says why), seconds, and the versions of transformers and peft.
    """
    yield Progress(what="building the model without its weights")
    start = time.monotonic()
    model = meta_model(request.architecture)
    total, trainable, note = counted(model), None, ""
    try:
        if request.method in NOT_ON_META:
            raise ExplorerError(WHY_NOT)
        with torch.device("meta"):
            trainable = counted(attach(model, request.method, request.knobs), trainable=True)
    except ExplorerError as error:
        note = str(error)
    yield Report(
        values={
            "total": total,
            "trainable": trainable,
            "note": note,
            "seconds": time.monotonic() - start,
            "transformers": transformers.__version__,
            "peft": peft.__version__,
        }
    )
