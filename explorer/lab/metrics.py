"""How an answer is scored against the expected one, and how sure a mean of scores is."""

import json
import math
import re
import statistics
from collections import Counter
from collections.abc import Sequence

from explorer.catalogue.task import Metric


def score(metric: Metric, expected: str, answer: str) -> float:
    """From 0 (wrong) to 1 (right), by the task's metric."""
    return SCORERS[metric](expected.strip(), answer.strip())


def interval(scores: Sequence[float], z: float = 1.96) -> tuple[float, float]:
    """A 95 % interval for the mean of scores in [0, 1].

    All-or-nothing scores get Wilson's interval, which stays inside [0, 1] and has width at 0 and
    1 as well; graded ones get the normal approximation, cut off at the ends.
    """
    n = len(scores)
    graded = any(value not in (0, 1) for value in scores)
    if n == 0 or (n == 1 and graded):
        return 0.0, 1.0  # nothing is known of the spread
    mean = statistics.fmean(scores)
    if not graded:
        centre = (mean + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(mean * (1 - mean) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    else:
        centre, half = mean, z * statistics.stdev(scores) / math.sqrt(n)
    # Rounding must not push an end past the mean that it bounds (at 0 and 1 they coincide).
    return max(0.0, min(centre - half, mean)), min(1.0, max(centre + half, mean))


def exact_match(expected: str, answer: str) -> float:
    """1 when the answers are the same but for space at the ends and runs of spaces."""
    return float(_spaced(expected) == _spaced(answer))


def accuracy(expected: str, answer: str) -> float:
    """1 when the first lines name the same label, whatever its case and full stop."""
    return float(_label(expected) == _label(answer))


def field_f1(expected: str, answer: str) -> float:
    """F1 over the answer's fields, which stand between semicolons, bars or line ends."""
    return _f1(_fields(expected), _fields(answer))


def json_f1(expected: str, answer: str) -> float:
    """F1 over the key-value pairs of a JSON object; 0 for text that is none."""
    wanted, given = _pairs(expected), _pairs(answer)
    return float(wanted == given) if wanted is None or given is None else _f1(wanted, given)


def rouge_l(expected: str, answer: str) -> float:
    """F1 of the longest common subsequence of words (ROUGE-L; Lin 2004), lower-cased."""
    wanted, given = _words(expected), _words(answer)
    if not wanted or not given:
        return float(wanted == given)
    common = _longest_common(wanted, given)
    if common == 0:
        return 0.0
    precision, recall = common / len(given), common / len(wanted)
    return 2 * precision * recall / (precision + recall)


def _label(text: str) -> str:
    first = text.splitlines()[0] if text else ""
    return _spaced(first).rstrip(".").lower()


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _fields(text: str) -> Counter[str]:
    return Counter(_spaced(part).lower() for part in re.split(r"[;|\n]", text) if part.strip())


def _pairs(text: str) -> Counter[str] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # no JSON, a number of thousands of digits, too deep
        return None
    if not isinstance(found, dict):
        return None
    return Counter(json.dumps([key, value], sort_keys=True) for key, value in found.items())


def _f1(wanted: Counter[str], given: Counter[str]) -> float:
    common = (wanted & given).total()
    total = wanted.total() + given.total()
    return 2 * common / total if total else 1.0


def _longest_common(a: Sequence[str], b: Sequence[str]) -> int:
    row = [0] * (len(b) + 1)
    for word in a:
        before = 0  # the cell up and to the left
        for column, other in enumerate(b, start=1):
            kept = row[column]
            row[column] = before + 1 if word == other else max(row[column], row[column - 1])
            before = kept
    return row[-1]


SCORERS = {
    "exact-match": exact_match,
    "accuracy": accuracy,
    "field-f1": field_f1,
    "json-f1": json_f1,
    "rouge-l": rouge_l,
}
