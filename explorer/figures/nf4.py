"""The sixteen levels of 4-bit NormalFloat, made as bitsandbytes makes them (arXiv:2305.14314)."""

from bisect import bisect_left
from itertools import pairwise
from statistics import NormalDist

BLOCK = 64  # weights that share a scale
SCALE_BLOCK = 256  # scales that share a second scale under double quantization


def _levels() -> tuple[float, ...]:
    """Eight quantiles of the normal above zero, zero, seven below, divided by the largest.

    The outermost probability is the mean of 1 − 1/32 and 1 − 1/30.
    """
    quantile = NormalDist().inv_cdf
    outer = 0.5 * ((1 - 1 / 32) + (1 - 1 / 30))
    above = [quantile(outer + (0.5 - outer) * i / 8) for i in range(8)]
    below = [-quantile(outer + (0.5 - outer) * i / 7) for i in range(7)]
    return tuple(sorted(level / max(above) for level in [*above, 0.0, *below]))


LEVELS = _levels()
_BOUNDS = tuple((low + high) / 2 for low, high in pairwise(LEVELS))


def nearest_code(value: float) -> int:
    """The 4-bit code whose level is closest to a weight that was divided by its block's scale."""
    return bisect_left(_BOUNDS, value)


def quantize(weights: list[float]) -> tuple[list[int], float]:
    """Codes of a block of weights, and the scale that they were divided by."""
    scale = max(map(abs, weights), default=0.0)
    return [nearest_code(weight / scale if scale else 0.0) for weight in weights], scale


def bits_per_weight(double: bool) -> float:
    """Bits that a weight takes with its share of the scales."""
    if not double:
        return 4 + 32 / BLOCK
    return 4 + 8 / BLOCK + 32 / (BLOCK * SCALE_BLOCK)
