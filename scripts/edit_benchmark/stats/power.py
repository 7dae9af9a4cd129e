"""How many samples a comparison takes."""

from __future__ import annotations

import math

from scipy import special

from edit_benchmark.stats.estimates import LEVEL
from edit_benchmark.stats.permutation import SMALLEST_TESTED


def samples_needed(std: float, size: float, power: float = 0.8) -> int:
    """Samples at which a paired difference of ``size`` is seen with probability ``power``.

    The smallest n with n >= ((t(1-alpha/2, n-1) + t(power, n-1)) std / size)^2, where ``std`` is
    the standard deviation of the differences, alpha = 1 - LEVEL, two-sided (Lachin 1981,
    Introduction to Sample Size Determination and Power Analysis for Clinical Trials, with t for z
    as a test of few pairs asks for). At least :data:`SMALLEST_TESTED`, of which all have to have
    one sign: for normal differences that happens with probability Phi(size / std)^6.
    """
    count = SMALLEST_TESTED
    while count < _large_sample(std, size, power, count):
        # From z the rest is a few steps; counting from 6 would take millions for a tiny size.
        count = max(count + 1, math.ceil(_large_sample(std, size, power, None)))
    if count == SMALLEST_TESTED and special.ndtr(size / std) ** SMALLEST_TESTED < power:
        return SMALLEST_TESTED + 1
    return count


def _large_sample(std: float, size: float, power: float, count: int | None) -> float:
    """Samples by the formula with t of ``count`` samples, or with z."""
    if count is None:
        quantiles = special.ndtri((1 + LEVEL) / 2) + special.ndtri(power)
    else:
        quantiles = special.stdtrit(count - 1, [(1 + LEVEL) / 2, power]).sum()
    return float((quantiles * std / size) ** 2)
