"""A task that a small model learns here: its rows, its metric, its licence and how it was made."""

import datetime as dt
from typing import Literal

from pydantic import Field, model_validator

from explorer.catalogue.record import Record

Metric = Literal["exact-match", "field-f1", "json-f1", "accuracy", "rouge-l"]


class Reached(Record):
    """What one method reached on a task at its defaults: score of the base and after training."""

    method: str
    learning_rate: float = Field(gt=0, le=1, description="the method's default at the time")
    base: float = Field(ge=0, le=1)
    tuned: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1, description="of the 95 % interval")
    high: float = Field(ge=0, le=1)
    why: str | None = Field(default=None, description="where the base is not beaten, the reason")

    @model_validator(mode="after")
    def _says_why_not(self) -> "Reached":
        """As explorer.lab.race.beats_base has it, which is a floor above."""
        beaten = self.low > self.base and self.tuned - self.base > (self.high - self.low) / 2
        if not beaten and not self.why:
            raise ValueError(f"{self.method} does not beat the base: why is missing")
        return self


class Measured(Record):
    """Runs that were made once, with where; shown as that and never in place of a run here."""

    where: str = Field(min_length=10, description="machine, base, steps, rows a step, seed")
    date: dt.date
    reached: tuple[Reached, ...]


class Task(Record):
    """One folder of `data/tasks`: `task.toml` beside `train.jsonl` and `heldout.jsonl`.

    Rows are `{"prompt": …, "completion": …}`. The id is the folder's name.
    """

    id: str
    name: str
    summary: str = Field(min_length=10, description="one sentence for the person who picks it")
    mirrors: str = Field(description="what of the published evaluations it stands for")
    teaches: Literal["format", "knowledge", "both"] = Field(
        description="whether the answer's form, its content or both have to be learned"
    )
    system: str | None = Field(default=None, description="the system message of every row")
    metric: Metric
    metric_note: str = Field(description="what counts as right, in words")
    max_new_tokens: int = Field(gt=0, le=512, description="longest answer that is generated")
    max_length: int = Field(default=256, gt=8, le=8192, description="longest prompt plus answer")
    steps: int = Field(default=60, gt=0, le=100_000, description="steps that show learning")
    batch_size: int = Field(default=8, gt=0, le=1024)
    licence: str
    made: str = Field(min_length=10, description="how the rows were made, by which seed")
    measured: Measured | None = None
    presets: tuple[str, ...] = Field(default=(), description="prompts to try in a comparison")
