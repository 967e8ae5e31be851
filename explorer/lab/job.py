"""What a training run is asked to do: one frozen record, with its defaults from task and method."""

import math
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.catalogue.knob import LINEARS
from explorer.catalogue.method import Method
from explorer.catalogue.record import Record
from explorer.lab.bases import EMBEDDED, stored_quantization
from explorer.lab.datasets import find_task
from explorer.lab.fit import refuse_unfit
from explorer.lab.words import check

Quantization = Literal["none", "int8", "nf4"]
Precision = Literal["auto", "float32", "bfloat16"]
Schedule = Literal["linear", "cosine", "constant"]

MAX_STEPS = 100_000
MIN_RATE, MAX_RATE = 1e-8, 1.0
LOOKS = 4  # at the held-out loss while a run trains, unless told


class TrainJob(Record):
    """One run. Every value is decided here, so that the same job gives the same losses."""

    base: str = EMBEDDED
    quantization: Quantization = "none"
    double_quantization: bool = True  # of nf4's scales
    task: str
    method: str
    knobs: dict[str, Any] = Field(default_factory=dict)
    steps: int = Field(ge=1, le=MAX_STEPS)
    batch_size: int = Field(default=8, ge=1, le=1024)
    learning_rate: float = Field(ge=MIN_RATE, le=MAX_RATE)
    schedule: Schedule = "linear"
    warmup_steps: int = Field(default=8, ge=0, le=MAX_STEPS)
    final_rate_fraction: float = Field(default=0.1, ge=0, le=1)  # where the decay ends
    weight_decay: float = Field(default=0.0, ge=0, le=1)
    clip: float = Field(default=1.0, gt=0, le=1e6)  # of the gradient's norm
    seed: int = Field(default=0, ge=0, lt=2**31)
    max_length: int = Field(default=256, ge=8, le=131_072)  # tokens of prompt and answer
    max_new_tokens: int = Field(default=48, ge=1, le=4096)  # longest answer in the evaluation
    heldout_rows: int | None = Field(default=None, ge=1)  # asked, of the task's; None: all
    evaluate_every: int | None = Field(default=None, ge=1)  # steps between held-out evaluations
    watch_every: int | None = Field(default=None, ge=1)  # between looks at the held-out loss
    seconds: float | None = Field(default=None, ge=5, le=86_400)  # the run's; `steps` at most
    patience: int | None = Field(default=None, ge=1, le=1000)  # looks without progress, then stop
    prune: bool = False  # stop when it falls far behind the other runs of its race
    gradient_checkpointing: bool = False
    precision: Precision = "auto"
    # the system message; None leaves it to the base's chat template
    system: str | None = Field(default=None, max_length=20_000)
    probe: bool = True  # measure forgetting, before and after
    race: str = Field(default="", max_length=64)  # the race that the run belongs to
    label: str = Field(default="", max_length=200)

    @field_validator("*", mode="before")
    @classmethod
    def _is_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Python takes true for 1, and pydantic takes what is not finite for a number."""
        kind = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and kind is not bool:
            raise ValueError("a number or a word, not true or false")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value} is not a number to train with")
        return value

    @model_validator(mode="after")
    def _patience_needs_looks(self) -> "TrainJob":
        if self.patience and not self.watch_every:
            raise ValueError("patience needs watch_every, the steps between two looks")
        return self

    def rate_at(self, step: int, total: int | None = None) -> float:
        """Learning rate of step 1, 2, …: linear warm-up, then the schedule's decay.

        `total` is how many steps there will be, where a time decides it.
        """
        total = total or self.steps
        if step <= self.warmup_steps:
            return self.learning_rate * step / self.warmup_steps
        if self.schedule == "constant" or total <= self.warmup_steps + 1:
            return self.learning_rate
        done = (step - self.warmup_steps - 1) / (total - self.warmup_steps - 1)
        if self.schedule == "cosine":
            done = 0.5 - 0.5 * math.cos(math.pi * done)
        return self.learning_rate * (1 - (1 - self.final_rate_fraction) * done)


def make_job(
    catalogue: Catalogue, task: str, method: str, knobs: dict[str, Any] | None = None, **given: Any
) -> TrainJob:
    """A job with what is not given taken from the task and from the method's lab settings.

    Raises UnknownNameError for an unknown task, method or knob, and ExplorerError with the allowed
    range for a value outside it, or outside what the base's shape allows where that is known.
    """
    _demand_words(task=task, method=method, base=given.get("base") or EMBEDDED)
    chosen, tuned = find_task(task), catalogue.method(method)
    if tuned.unsupported or tuned.lab is None:
        raise ExplorerError(f"{tuned.name} does not run here: {tuned.unsupported}")
    defaults = {
        "quantization": tuned.recipe.quantization if tuned.recipe else "none",
        "double_quantization": tuned.recipe.double_quantization if tuned.recipe else True,
        "steps": chosen.steps,
        "batch_size": chosen.batch_size,
        "learning_rate": tuned.lab.learning_rate,
        "max_length": chosen.max_length,
        "max_new_tokens": chosen.max_new_tokens,
        "system": chosen.system,
    }
    decided = {name: value for name, value in given.items() if value is not None}
    values = defaults | decided
    values["quantization"] = stored_quantization(
        values.get("base", EMBEDDED), values["quantization"]
    )
    if isinstance(values["steps"], int):
        values.setdefault("watch_every", max(1, values["steps"] // LOOKS))
    values["knobs"] = tuned.read_knobs(tuned.lab.knobs | (knobs or {}))
    _check_sites(tuned, values["knobs"])
    job = checked_job(task=chosen.id, method=tuned.id, **values)
    if not tuned.trains_on(job.quantization):
        raise ExplorerError(
            f"{tuned.name} does not train on a quantized base ({job.quantization}): "
            f"{tuned.why_not_on(job.quantization)}"
        )
    refuse_unfit(job.base, tuned, job.knobs, job.quantization, job.max_length)
    return job


def _demand_words(**names: Any) -> None:
    for name, value in names.items():
        if not isinstance(value, str):
            raise ExplorerError(f"{name} = {value!r:.40}: it takes a name in letters.")


def _check_sites(method: Method, values: dict[str, Any]) -> None:
    """Every base of the lab is a LLaMA, so the names of its linears are known beforehand."""
    for name, knob in method.knobs.items():
        for site in (values[name] or ()) if knob.type == "sites" else ():
            if site not in (*LINEARS, "lm_head"):
                raise unknown("target module", site, (*LINEARS, "lm_head"))


def checked_job(**values: Any) -> TrainJob:
    """The job, or an ExplorerError that names value and range in one sentence."""
    return check(TrainJob, values)
