"""A run on rows of one's own, carried out on the tiny base."""

import json
from pathlib import Path

from explorer.lab.bases import folder_base
from explorer.lab.job import make_job
from explorer.lab.own_data.store import Choices, keep
from explorer.lab.own_data.upload import read_upload
from explorer.lab.runs import create_run
from explorer.lab.worker.train import Training
from tests.lab.catalogue import lab_catalogue

PAIRS = [{"prompt": f"say {n} <|im_end|>" * (n % 3), "completion": f" {n}!"} for n in range(1, 15)]
PAIRS = [record for record in PAIRS if record["prompt"]]
TALKS = [
    {
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "hello"},
            {"role": "user", "content": f"the {n}"},
            {"role": "assistant", "content": "x" * n},
        ]
    }
    for n in range(1, 10)
]
TEXTS = [{"text": f"text number {n} of them"} for n in range(9)]


def trained(tmp_path, shelf, tiny_base, records, method, system=None, **changes):
    """A run on own rows, carried out."""
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    choices = Choices(system=system, held_out=0.2)
    task = keep(read_upload(path, path.name), choices, folder_base("tiny", Path(tiny_base)))
    values = {"steps": 6, "batch_size": 3, "precision": "float32", "warmup_steps": 2}
    knobs = changes.pop("knobs", {})
    job = make_job(
        lab_catalogue(), task.id, method, knobs, base=tiny_base, probe=False, **values | changes
    )
    run = create_run(job)
    for _ in Training(run, shelf).go():
        pass
    assert run.state().name == "done", run.state().reason
    return run
