"""All of the catalogue in one object: look-ups suggest a near name, references resolve."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

from explorer.catalogue.benchmark import Benchmark
from explorer.catalogue.errors import unknown
from explorer.catalogue.generation import Generation
from explorer.catalogue.hardware import Hardware
from explorer.catalogue.load import DATA, DataFileError, load_folder
from explorer.catalogue.method import Method
from explorer.catalogue.model import Model
from explorer.catalogue.task import Task

R = TypeVar("R")


def _find(kind: str, records: dict[str, R], name: str) -> R:
    if name not in records:
        raise unknown(kind, name, records)
    return records[name]


@dataclass(frozen=True)
class Catalogue:
    """Records by id. A look-up of an unknown id raises UnknownNameError with the nearest one."""

    generations: dict[str, Generation] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    methods: dict[str, Method] = field(default_factory=dict)
    benchmarks: dict[str, Benchmark] = field(default_factory=dict)
    hardware: dict[str, Hardware] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)

    def generation(self, name: str) -> Generation:
        """The generation with this id."""
        return _find("generation", self.generations, name)

    def model(self, name: str) -> Model:
        """The model with this id."""
        return _find("model", self.models, name)

    def method(self, name: str) -> Method:
        """The method with this id."""
        return _find("method", self.methods, name)

    def benchmark(self, name: str) -> Benchmark:
        """The benchmark with this id."""
        return _find("benchmark", self.benchmarks, name)

    def device(self, name: str) -> Hardware:
        """The hardware with this id."""
        return _find("hardware", self.hardware, name)

    def task(self, name: str) -> Task:
        """The task with this id."""
        return _find("task", self.tasks, name)


@cache
def load_catalogue(data: Path = DATA) -> Catalogue:
    """Read every data file; raises DataFileError for the first that is wrong or dangles."""
    catalogue = Catalogue(
        generations=load_folder(data / "generations", Generation),
        models=load_folder(data / "models", Model),
        methods=load_folder(data / "methods", Method),
        benchmarks=load_folder(data / "benchmarks", Benchmark),
        hardware=load_folder(data / "hardware", Hardware),
        tasks=load_folder(data / "tasks", Task, "*/task.toml"),
    )
    _check_references(catalogue)
    return catalogue


def _check_references(catalogue: Catalogue) -> None:
    for model in catalogue.models.values():
        if model.generation not in catalogue.generations:
            error = unknown("generation", model.generation, catalogue.generations)
            raise DataFileError(f"models/{model.id}.toml: generation: {error}")
    for generation in catalogue.generations.values():
        if generation.previous and generation.previous not in catalogue.generations:
            error = unknown("generation", generation.previous, catalogue.generations)
            raise DataFileError(f"generations/{generation.id}.toml: previous: {error}")
