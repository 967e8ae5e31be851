"""Published figures in bulk: CSV rows to records, each with its source, strictly."""

import csv
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from explorer.catalogue.benchmark import Benchmark, Score
from explorer.catalogue.catalogue import DATA, Catalogue, load_catalogue
from explorer.catalogue.errors import unknown
from explorer.catalogue.load import DataFileError, read_toml, sentence
from explorer.catalogue.record import Record, Source, check_entry

R = TypeVar("R", bound=Record)
Row = dict[str, str]


class PublishedResult(Record):
    """What a document reports of fine-tuning a LLaMA with some method."""

    method: str = Field(description="id of the method; empty for a baseline of another kind")
    label: str = Field(description="the method as the document names it")
    model: str = Field(description="id of the base model; empty where it is none of the catalogue")
    base_model: str = Field(description="the base model as the document names it")
    trainable_params: int | None = None
    trainable_note: str = ""
    task: str
    metric: str
    value: float | None = Field(default=None, description="empty for a range")
    unit: str = ""
    printed: str
    source: tuple[str, ...] = Field(min_length=1)
    note: str = ""
    not_plotted: str = ""

    @property
    def plot(self) -> bool:
        """Whether the figure may stand in a plot among others."""
        return not self.not_plotted

    @property
    def comparable_with(self) -> tuple[str, str, str, str, str]:
        """Two figures may share an axis only where this is equal for both."""
        return (self.task, self.metric, self.unit, self.base_model, self.source[0])


class MethodRun(Record):
    """One run of huggingface/peft's method comparison on MetaMathQA; memory and files in bytes."""

    method: str
    experiment: str
    peft_type: str
    model: str
    base_model: str
    rank: int | None = None
    target_modules: str = ""
    learning_rate: float
    batch_size: int
    max_seq_length: int
    steps: int
    dtype: str
    trainable_params: int
    total_params: int
    gsm8k_test_accuracy: float = Field(ge=0, le=1)
    train_loss: float
    forgetting: float
    train_seconds: float
    train_tokens: int
    mem_allocated_avg_bytes: float
    mem_reserved_avg_bytes: int
    mem_reserved_p99_bytes: int
    mem_max_bytes: int
    checkpoint_bytes: int
    accelerator: str
    torch: str
    transformers: str
    peft: str
    status: str
    source: tuple[str, ...] = Field(min_length=1)


@cache
def load_sources(data: Path = DATA) -> dict[str, Source]:
    """The documents that the CSV files cite, by key."""
    path = data / "results" / "sources.toml"
    sources = {}
    for key, table in read_toml(path).items():
        try:
            sources[key] = Source.model_validate(table)
        except ValidationError as error:
            told = sentence(error.errors()[0], Source)
            raise DataFileError(f"{path.name}: {key}: {told}.") from error
    return sources


@cache
def load_scores(data: Path = DATA) -> tuple[Score, ...]:
    """Every benchmark score, by document and row. Raises DataFileError naming file and line."""
    catalogue = load_catalogue(data)
    printed = _printed_names(catalogue.benchmarks)
    files = sorted((data / "results" / "benchmarks").glob("*.csv"))
    return tuple(score for path in files for score in _scores(path, catalogue, printed, data))


@cache
def load_published_results(data: Path = DATA) -> tuple[PublishedResult, ...]:
    """Results that papers and repositories report of fine-tuning methods on LLaMA models."""
    return _results(data / "results" / "peft_results.csv", PublishedResult, data)


@cache
def load_method_runs(data: Path = DATA) -> tuple[MethodRun, ...]:
    """The runs of huggingface/peft's own comparison of methods."""
    return _results(data / "results" / "peft_method_comparison.csv", MethodRun, data)


def _scores(
    path: Path, catalogue: Catalogue, printed: Mapping[str, Benchmark], data: Path
) -> Iterator[Score]:
    columns = (set(Score.model_fields) - {"part", "better", "benchmark"}) | {"benchmark"}
    columns.remove("printed")
    for line, row in _rows(path, columns):
        name = row.pop("benchmark")
        if name not in printed:
            raise DataFileError(f"{path.name}:{line}: {unknown('benchmark', name, printed)}")
        benchmark = printed[name]
        found = {
            "benchmark": benchmark.id,
            "part": benchmark.names[name],
            "printed": name,
            "better": benchmark.better_in(row["metric"]),
        }
        yield _record(path, line, row | found, Score, load_sources(data))
        _known(path, line, "model", row["model"], catalogue.models)


def _results(path: Path, record: type[R], data: Path) -> tuple[R, ...]:
    catalogue, sources = load_catalogue(data), load_sources(data)
    records = []
    for line, row in _rows(path, set(record.model_fields)):
        _known(path, line, "method", row["method"], [*catalogue.methods, ""])
        _known(path, line, "model", row["model"], [*catalogue.models, ""])
        records.append(_record(path, line, row, record, sources))
    return tuple(records)


def _printed_names(benchmarks: Mapping[str, Benchmark]) -> dict[str, Benchmark]:
    printed: dict[str, Benchmark] = {}
    for benchmark in benchmarks.values():
        for name in benchmark.names:
            if name in printed:
                raise DataFileError(
                    f"{benchmark.id}.toml: names: {name!r} is also a name of {printed[name].id!r}."
                )
            printed[name] = benchmark
    return printed


def _rows(path: Path, columns: Collection[str]) -> Iterator[tuple[int, Row]]:
    """Rows with their line numbers; the header must name the record's columns and no other."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_header(path, reader.fieldnames or [], columns)
            for row in reader:
                if None in row or None in row.values():
                    raise DataFileError(
                        f"{path.name}:{reader.line_num}: a row needs {len(columns)} cells."
                    )
                yield reader.line_num, row
    except FileNotFoundError as error:
        raise DataFileError(f"{path.name}: there is no such file in {path.parent}.") from error
    except UnicodeDecodeError as error:
        raise DataFileError(f"{path.name}: not UTF-8 text (byte {error.start}).") from error
    except csv.Error as error:
        raise DataFileError(f"{path.name}: not valid CSV: {error}.") from error


def _check_header(path: Path, header: Collection[str], columns: Collection[str]) -> None:
    for name in header:
        if name not in columns:
            raise DataFileError(f"{path.name}: {unknown('column', name, columns)}")
    missing = sorted(set(columns) - set(header))
    if missing:
        raise DataFileError(f"{path.name}: missing column {missing[0]!r}.")


def _record(
    path: Path, line: int, row: dict[str, Any], record: type[R], sources: Mapping[str, Source]
) -> R:
    entries = tuple(entry.strip() for entry in row["source"].split(";") if entry.strip())
    try:
        for entry in entries:
            check_entry("source", entry, sources)
        kept = {name: value for name, value in row.items() if value != "" or name in _TEXTS}
        return record.model_validate(kept | {"source": entries})
    except ValidationError as error:
        told = sentence(error.errors()[0], record)
        raise DataFileError(f"{path.name}:{line}: {told}.") from error
    except ValueError as error:
        raise DataFileError(f"{path.name}:{line}: {error}.") from error


# Columns whose empty cell is an empty text; elsewhere it means that the field is left out.
_TEXTS = frozenset({"method", "model", "shots", "metric", "part"})


def _known(path: Path, line: int, kind: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise DataFileError(f"{path.name}:{line}: {unknown(kind, name, known)}")
