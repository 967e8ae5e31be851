"""A race: several methods on equal terms, and its table of what was forecast and measured."""

import math
import secrets
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.lab.job import TrainJob, make_job
from explorer.lab.runs import Run

DEFAULT_TASK = "order-extraction"
REFERENCE = "full"
MOST_RUNS = 64
MOST_SEEDS = 8
RATE = "learning_rate"  # the one setting of a run that may differ between methods

# How long a run may take, in the page's words: a time of its own, or as long as it improves.
DURATIONS: dict[str, dict[str, Any]] = {
    "steps": {},
    "minute": {"seconds": 60.0, "steps": 5_000, "watch_every": 10},
    "five-minutes": {"seconds": 300.0, "steps": 20_000, "watch_every": 25},
    "plateau": {"patience": 3, "watch_every": 10, "steps": 600, "schedule": "constant"},
}


def default_methods(catalogue: Catalogue) -> tuple[str, ...]:
    """The survey's five methods, and full fine-tuning as the line to beat."""
    survey = (method.id for method in catalogue.methods.values() if method.survey)
    return (*survey, REFERENCE)


def duration_settings(name: str) -> dict[str, Any]:
    """What a duration sets in every job; raises UnknownNameError with the nearest one."""
    if name not in DURATIONS:
        raise unknown("duration", name, DURATIONS)
    return DURATIONS[name]


def seeds_from(first: int, count: int) -> range:
    """`count` seeds from `first` on; raises ExplorerError with the allowed range."""
    if not 1 <= count <= MOST_SEEDS:
        raise ExplorerError(f"seeds = {count}: it takes a whole number from 1 to {MOST_SEEDS}.")
    return range(first, first + count)


def make_race(
    catalogue: Catalogue,
    task: str = DEFAULT_TASK,
    methods: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    knobs: dict[str, dict[str, Any]] | None = None,
    **given: Any,
) -> list[TrainJob]:
    """The jobs of a race: every method with every seed, the same data order, tokens and steps.

    `knobs` are those of single methods by id, with a learning rate of their own among them if it is
    to be another than the method's. All other settings hold for every method, as does what is not
    given: the task's steps and batch, each method's own learning rate. Raises ExplorerError where
    one of the jobs cannot be made.
    """
    chosen = tuple(dict.fromkeys(methods or default_methods(catalogue)))
    if len(chosen) * len(seeds) > MOST_RUNS:
        raise ExplorerError(
            f"{len(chosen)} methods with {len(seeds)} seeds are {len(chosen) * len(seeds)} runs: "
            f"a race has at most {MOST_RUNS}."
        )
    for method in knobs or {}:
        if method not in chosen:
            raise unknown("method in this race called", method, chosen)
    name = secrets.token_hex(6)
    own = {method: dict((knobs or {}).get(method, {})) for method in chosen}
    rates = {method: values.pop(RATE, given.get(RATE)) for method, values in own.items()}
    settings = {key: value for key, value in given.items() if key != RATE}
    return [
        make_job(
            catalogue, task, method, own[method], seed=seed, race=name,
            learning_rate=rates[method], **settings,
        )
        for seed in seeds
        for method in chosen
    ]  # fmt: skip


def race_record(run: Run) -> dict[str, Any]:
    """One run's line of the table; what was not reached is None."""
    job, state, result = run.job, run.state(), run.result
    record: dict[str, Any] = {
        "method": job.method,
        "run": run.id,
        "state": state.name,
        "reason": state.reason,
        "task": job.task,
        "base": job.base,
        "quantization": job.quantization,
        "seed": job.seed,
        "steps": job.steps,
        "learning_rate": job.learning_rate,
    }
    measured = (
        "trainable", "total", "metric_base", "heldout_loss_base", "heldout_loss_after",
        "forgetting", "quiz_base", "quiz_after", "seconds", "tokens", "tokens_per_second",
        "peak_bytes", "memory", "adapter_bytes", "final_loss", "interval", "steps_done",
    )  # fmt: skip
    record |= {name: getattr(result, name, None) for name in measured}
    forecast = result.forecast if result else {}
    peak, said = record["peak_bytes"], forecast.get("bytes")
    return record | {
        "metric_name": result.metric if result else None,
        "metric": result.metric_after if result else None,
        "forecast_trainable": forecast.get("trainable"),
        "forecast_bytes": said,
        "forecast_terms": forecast.get("terms"),
        "forecast_error": said / peak - 1 if said and peak else None,
        "beats_base": beats_base(
            record["metric_base"], result.metric_after if result else None, record["interval"]
        ),
    }


def beats_base(
    base: float | None, tuned: float | None, interval: tuple[float, float] | None
) -> bool | None:
    """Whether a score is above the base's by more than its interval reaches to a side.

    None before it is measured. That the base lies below the interval is not enough: one right
    answer of forty has an interval from 0.004 on, and a base at 0 would be beaten by chance.
    """
    if base is None or tuned is None or interval is None:
        return None
    low, high = interval
    return low > base and tuned - base > (high - low) / 2


def over_seeds(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line a method: mean of its seeds' metrics with a 95 % interval (Student's t)."""
    by_method: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        if record["metric"] is not None:
            by_method.setdefault(record["method"], []).append(record)
    return [
        {"method": method, "seeds": len(found), **_mean([r["metric"] for r in found])}
        for method, found in by_method.items()
    ]


def _mean(values: Sequence[float]) -> dict[str, Any]:
    mean = statistics.fmean(values)
    if len(values) == 1:
        return {"mean": mean, "low": None, "high": None}
    half = student_t(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return {"mean": mean, "low": mean - half, "high": mean + half}


def student_t(degrees: int) -> float:
    """The 97.5 % quantile of Student's t distribution, to three digits from three degrees on.

    Exact for one and two; Hill's asymptotic expansion (CACM algorithm 396, 1970) beyond.
    """
    if degrees == 1:
        return math.tan(math.pi * (0.975 - 0.5))
    if degrees == 2:
        q = 0.975
        return (2 * q - 1) * math.sqrt(2 / (4 * q * (1 - q)))
    z = statistics.NormalDist().inv_cdf(0.975)
    n = float(degrees)
    terms = (
        z,
        (z**3 + z) / (4 * n),
        (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2),
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3),
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * n**4),
    )
    return sum(terms)
