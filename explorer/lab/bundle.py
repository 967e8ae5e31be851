"""A run to take away: its adapter as a zip, its metrics as CSV, its program, all of it."""

import csv
import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.catalogue.load import DataFileError
from explorer.lab import reproduce
from explorer.lab.derived import MERGED
from explorer.lab.notes import NOTES
from explorer.lab.runs import EVENTS, JOB, RESULT, STDERR, Run, gone

DATE = (1980, 1, 1, 0, 0, 0)  # the same run gives the same bytes
Member = tuple[str, bytes | Path]  # the name in the zip, and what it holds

README = """A training run of the LLaMA & PEFT explorer.

job.json      what was asked
result.json   how it ended: measurements, versions, forecast
events.jsonl  every step and evaluation, a line each
metrics.csv   the same as a table
adapter/      what was learnt: a peft folder (for full fine-tuning, the trained tensors)
reproduce.py  the run as a program: python reproduce.py --base FOLDER; train.jsonl is its data
"""


def write_export(run: Run, kind: str, catalogue: Catalogue, out: IO[bytes]) -> None:
    """Write one of KINDS. Raises ExplorerError where the run has none of that kind."""
    if kind not in KINDS:
        raise unknown("export", kind, KINDS)
    try:
        KINDS[kind](run, catalogue, out)
    except FileNotFoundError:
        if run.folder.is_dir():
            raise
        raise gone(run.id) from None


def export_name(run: Run, kind: str) -> str:
    """A name for the file."""
    return f"{run.job.method}-{run.id}-{kind}"


def metrics_csv(run: Run) -> str:
    """A row a step, with the held-out measurements beside the step that they follow."""
    columns = [
        "step", "loss", "learning_rate", "gradient_norm", "tokens_per_second", "memory_bytes",
        "heldout_loss", "metric", "value", "low", "high",
    ]  # fmt: skip
    rows: dict[int, dict[str, Any]] = {}
    for event in run.events():
        if event["kind"] in ("step", "eval"):
            rows.setdefault(event["step"], {}).update(event)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(row for _, row in sorted(rows.items()))
    return text.getvalue()


def _adapter(run: Run, catalogue: Catalogue, out: IO[bytes]) -> None:
    run.demand_adapter()
    _zip(out, _folder(run.adapter, ""))


def _metrics(run: Run, catalogue: Catalogue, out: IO[bytes]) -> None:
    out.write(metrics_csv(run).encode())


def _program(run: Run, catalogue: Catalogue, out: IO[bytes]) -> None:
    _zip(out, _program_files(run, catalogue))


def _bundle(run: Run, catalogue: Catalogue, out: IO[bytes]) -> None:
    _zip(out, _everything(run, catalogue))


def _merged(run: Run, catalogue: Catalogue, out: IO[bytes]) -> None:
    folder = run.folder / MERGED
    if not folder.is_dir():
        raise ExplorerError(f"The adapter of {run.id} has not been merged yet: merge it first.")
    _zip(out, _folder(folder, ""))


KINDS: dict[str, Callable[[Run, Catalogue, IO[bytes]], None]] = {
    "adapter.zip": _adapter,
    "metrics.csv": _metrics,
    "program.zip": _program,
    "bundle.zip": _bundle,
    "merged.zip": _merged,
}


def _program_files(run: Run, catalogue: Catalogue) -> Iterator[Member]:
    yield "reproduce.py", reproduce.program(run, catalogue).encode()
    yield "train.jsonl", reproduce.training_rows(run)


def _everything(run: Run, catalogue: Catalogue) -> Iterator[Member]:
    yield "README.txt", README.encode()
    for name in (JOB, RESULT, EVENTS, NOTES, STDERR):
        if (run.folder / name).is_file():
            yield name, run.folder / name
    yield "metrics.csv", metrics_csv(run).encode()
    if run.adapter.is_dir():
        yield from _folder(run.adapter, "adapter/")
    try:
        yield from _program_files(run, catalogue)
    except (DataFileError, ExplorerError) as error:
        yield "reproduce.txt", f"There is no program: {error}\n".encode()


def _folder(folder: Path, within: str) -> Iterator[Member]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield within + path.relative_to(folder).as_posix(), path


def _zip(out: IO[bytes], members: Iterator[Member]) -> None:
    """Weights hardly shrink: they are stored as they are, the rest is packed."""
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name, DATE)
            info.external_attr = 0o644 << 16
            weights = name.endswith(".safetensors")
            info.compress_type = zipfile.ZIP_STORED if weights else zipfile.ZIP_DEFLATED
            if isinstance(content, bytes):
                archive.writestr(info, content)
                continue
            info.file_size = content.stat().st_size
            with content.open("rb") as source, archive.open(info, "w") as target:
                while block := source.read(1 << 20):
                    target.write(block)
