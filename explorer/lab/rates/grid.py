"""Which rates are tried on which tasks: a fixed grid, widened while the best lies at its edge."""

from collections.abc import Sequence

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.method import Method
from explorer.catalogue.rates import RateRun, best_rate
from explorer.lab.job import MAX_RATE
from explorer.lab.race import REFERENCE

STEPS, ROWS_A_STEP, SEED, HELDOUT_ROWS = 32, 4, 0, 24
# A format to learn, knowledge to learn, and both at once.
TASKS = ("order-extraction", "contract-clauses", "word-orders")
WIDE = (1.0, 3.0, 0.3, 10.0, 0.1)  # round the method's default, the nearest first
NARROW = (1.0, 3.0, 0.3)
MOST = 7  # rates of a method on one task, unless its grid is wide


def runnable(catalogue: Catalogue) -> list[Method]:
    """The methods that train here."""
    return [m for m in catalogue.methods.values() if m.unsupported is None and m.lab]


def in_survey(method: Method) -> bool:
    """Whether a method is swept on all tasks: the survey's, and what they are held against."""
    return method.survey or method.id == REFERENCE


def stages(methods: Sequence[Method]) -> list[tuple[Method, str]]:
    """Methods with tasks, what matters most first: a sweep may be cut short anywhere."""
    survey = [method for method in methods if in_survey(method)]
    others = [method for method in methods if not in_survey(method)]
    return [
        *((method, TASKS[0]) for method in survey),
        *((method, task) for task in TASKS[1:] for method in survey),
        *((method, TASKS[0]) for method in others),
    ]


def next_rate(method: Method, tried: Sequence[RateRun], centre: float) -> float | None:
    """The rate to try next on a task, or None when nothing is left to try.

    `tried` are the method's runs on that task so far, `centre` is the rate that the grid lies
    round. Where the best of three rates is the largest or the smallest, the next one beyond it is
    tried as well.
    """
    known = {run.learning_rate for run in tried}
    grid = [rounded(centre * factor) for factor in (WIDE if in_survey(method) else NARROW)]
    left = [rate for rate in grid if rate not in known and rate <= MAX_RATE]
    if left:
        return left[0]
    return None if in_survey(method) else beyond(tried)


def beyond(tried: Sequence[RateRun]) -> float | None:
    """The next rate outside the ones tried, where their best is at an edge; else None."""
    rates = sorted(run.learning_rate for run in tried)
    best = best_rate(tried)
    if best is None or len(rates) >= MOST or best not in (rates[0], rates[-1]):
        return None
    further = rounded(best * (3.0 if best == rates[-1] else 0.3))
    return further if further <= MAX_RATE and further not in rates else None


def rounded(rate: float) -> float:
    """A rate to two digits, so that it can be told and typed."""
    return float(f"{rate:.2g}")
