"""The part of the catalogue that the lab needs."""

from functools import cache

from explorer.catalogue.catalogue import DATA, Catalogue
from explorer.catalogue.load import load_folder
from explorer.catalogue.method import Method
from explorer.catalogue.task import Task


@cache
def lab_catalogue() -> Catalogue:
    return Catalogue(
        methods=load_folder(DATA / "methods", Method),
        tasks=load_folder(DATA / "tasks", Task, "*/task.toml"),
    )
