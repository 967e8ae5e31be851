"""Published figures in bulk: the CSV files of data/results as records, each with its source."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from explorer.catalogue.benchmark import Benchmark, Score
from explorer.catalogue.catalogue import DATA, Catalogue, load_catalogue
from explorer.catalogue.load import DataFileError, read_toml, sentences
from explorer.catalogue.record import Record, Source
from explorer.catalogue.result import MethodRun, PublishedResult
from explorer.catalogue.table import known, read_rows, row_record

R = TypeVar("R", bound=Record)

# Fields of a Score that follow from the benchmark's name in the document, not columns.
LOOKED_UP = frozenset({"part", "better", "printed"})


@cache
def load_sources(data: Path = DATA) -> dict[str, Source]:
    """The documents that the files of data/results cite, by key."""
    path = data / "results" / "sources.toml"
    sources = {}
    for key, table in read_toml(path).items():
        try:
            sources[key] = Source.model_validate(table)
        except ValidationError as error:
            told = sentences(error, Source)
            raise DataFileError(f"{path.name}: {key}: {told}.") from error
    return sources


@cache
def load_scores(data: Path = DATA) -> tuple[Score, ...]:
    """Every benchmark score, by document and row. Raises DataFileError naming file and line."""
    catalogue = load_catalogue(data)
    printed = printed_names(catalogue.benchmarks)
    files = sorted((data / "results" / "benchmarks").glob("*.csv"))
    return tuple(score for path in files for score in _scores(path, catalogue, printed, data))


@cache
def load_published_results(data: Path = DATA) -> tuple[PublishedResult, ...]:
    """Results that papers and repositories report of fine-tuning methods on LLaMA models."""
    return tuple(_results(data / "results" / "peft_results.csv", PublishedResult, data))


@cache
def load_method_runs(data: Path = DATA) -> tuple[MethodRun, ...]:
    """The runs of huggingface/peft's own comparison of methods."""
    return tuple(_results(data / "results" / "peft_method_comparison.csv", MethodRun, data))


def printed_names(benchmarks: Mapping[str, Benchmark]) -> dict[str, Benchmark]:
    """The benchmark behind every name that a document prints; no name may have two."""
    printed: dict[str, Benchmark] = {}
    for benchmark in benchmarks.values():
        for name in benchmark.names:
            if name in printed:
                raise DataFileError(
                    f"{benchmark.id}.toml: names: {name!r} is also a name of {printed[name].id!r}."
                )
            printed[name] = benchmark
    return printed


def _scores(
    path: Path, catalogue: Catalogue, printed: Mapping[str, Benchmark], data: Path
) -> Iterator[Score]:
    sources = load_sources(data)
    for line, row in read_rows(path, Score.model_fields.keys() - LOOKED_UP):
        place = f"{path.name}:{line}"
        known(place, "model", row["model"], catalogue.models)
        name = row.pop("benchmark")
        known(place, "benchmark", name, printed)
        benchmark = printed[name]
        found = {
            "benchmark": benchmark.id,
            "part": benchmark.names[name],
            "printed": name,
            "better": benchmark.better_in(row["metric"]),
        }
        yield row_record(place, row | found, Score, sources)


def _results(path: Path, record: type[R], data: Path) -> Iterator[R]:
    catalogue, sources = load_catalogue(data), load_sources(data)
    for line, row in read_rows(path, record.model_fields.keys()):
        place = f"{path.name}:{line}"
        known(place, "method", row["method"], [*catalogue.methods, ""])
        known(place, "model", row["model"], [*catalogue.models, ""])
        yield row_record(place, row, record, sources)
