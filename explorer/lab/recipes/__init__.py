"""How the built-in tasks' rows are made: one seeded recipe a task, the same bytes every time."""

import importlib
import json
import pkgutil
import random
from collections.abc import Iterator
from pathlib import Path

from explorer.catalogue.catalogue import DATA
from explorer.catalogue.errors import unknown

Rows = Iterator[tuple[str, str]]  # an endless stream of prompts with their completions


def recipe_names() -> tuple[str, ...]:
    """Ids of the tasks that a recipe makes."""
    modules = (found.name for found in pkgutil.iter_modules(__path__))
    return tuple(sorted(name.replace("_", "-") for name in modules if name != "__main__"))


def words(text: str) -> list[str]:
    """The words of a text, for lists that read better without quotes."""
    return text.split()


def make_rows(task: str) -> dict[str, str]:
    """The task's files by name, as text. Held-out prompts occur nowhere in the training rows.

    A recipe module has SEED, TRAIN and HELDOUT (numbers of rows) and `rows(random, held_out)`.
    """
    if task not in recipe_names():
        raise unknown("recipe", task, recipe_names())
    recipe = importlib.import_module(f"{__name__}.{task.replace('-', '_')}")
    source = random.Random(recipe.SEED)
    train = _draw(recipe.rows(source, held_out=False), recipe.TRAIN, {})
    heldout = _draw(recipe.rows(source, held_out=True), recipe.HELDOUT, train)
    return {"train.jsonl": _lines(train), "heldout.jsonl": _lines(heldout)}


def _draw(stream: Rows, number: int, taken: dict[str, str]) -> dict[str, str]:
    """So many rows with prompts that are new."""
    rows: dict[str, str] = {}
    while len(rows) < number:
        prompt, completion = next(stream)
        if prompt not in taken:
            rows.setdefault(prompt, completion)
    return rows


def _lines(rows: dict[str, str]) -> str:
    pairs = ({"prompt": p, "completion": c} for p, c in rows.items())
    return "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs)


def write_rows(task: str, data: Path = DATA) -> None:
    """Write the task's files into its folder."""
    for name, text in make_rows(task).items():
        (data / "tasks" / task / name).write_text(text, encoding="utf-8")
