"""How the built-in tasks' rows are made: one seeded recipe a task, the same bytes every time."""

import importlib
import json
import pkgutil
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from explorer.catalogue.catalogue import DATA
from explorer.catalogue.errors import unknown

Rows = Iterator[tuple[str, str]]  # prompt and completion
Recipe = Callable[[random.Random], Rows]  # an endless stream of rows


def recipe_names() -> tuple[str, ...]:
    """Ids of the tasks that a recipe makes."""
    modules = (found.name for found in pkgutil.iter_modules(__path__))
    return tuple(sorted(name.replace("_", "-") for name in modules if name != "__main__"))


def words(text: str) -> list[str]:
    """The words of a text, for lists that read better without quotes."""
    return text.split()


def make_rows(task: str) -> dict[str, str]:
    """The task's files by name, as text. Held-out prompts occur nowhere in the training rows.

    A recipe module has SEED, TRAIN and HELDOUT (numbers of rows) and `rows`.
    """
    if task not in recipe_names():
        raise unknown("recipe", task, recipe_names())
    recipe = importlib.import_module(f"{__name__}.{task.replace('-', '_')}")
    stream = recipe.rows(random.Random(recipe.SEED))
    wanted = recipe.TRAIN + recipe.HELDOUT
    rows: dict[str, str] = {}
    while len(rows) < wanted:
        prompt, completion = next(stream)
        rows.setdefault(prompt, completion)
    lines = [
        json.dumps({"prompt": p, "completion": c}, ensure_ascii=False) for p, c in rows.items()
    ]
    return {
        "train.jsonl": "".join(f"{line}\n" for line in lines[: recipe.TRAIN]),
        "heldout.jsonl": "".join(f"{line}\n" for line in lines[recipe.TRAIN :]),
    }


def write_rows(task: str, data: Path = DATA) -> None:
    """Write the task's files into its folder."""
    for name, text in make_rows(task).items():
        (data / "tasks" / task / name).write_text(text, encoding="utf-8")
