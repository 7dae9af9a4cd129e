"""Scores of two versions of the same samples: how often one is above the other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize, special

from edit_benchmark.stats.estimates import LEVEL, Floats

_Z = float(special.ndtri((1 + LEVEL) / 2))
# Nearer to 0 or 1 a root of a score interval is that end itself.
_END = 1e-9


def win_rate(
    values: Floats, others: Floats, clusters: Sequence[str], margin: float = 0.0
) -> tuple[float, float | None, float | None]:
    """Share of the samples whose value is above its own counterpart, ties counted half.

    What samples differ in between themselves has no part in it. The interval is Wilson's (Wilson
    1927, Probable Inference, the Law of Succession, and Statistical Inference) with
    :func:`effective_number` for the number of trials: no point where all win. As every interval of
    a share it covers now more, now less: with 10 to 40 images, by the binomial distribution, 90 to
    98 % from 0.5 to 0.98 and 84 % at the worst true share above (simulated: tests/statistics.md).

    Parameters
    ----------
    values, others
        Scores of two versions of the same n samples, both of shape (n,), none missing, n at least
        1.
    clusters
        The n hashes of the samples' source images.
    margin
        Scores that are no further apart than this, in points, are a tie.

    Returns
    -------
    tuple
        The share, 0 to 1, and the two ends of its interval, None with fewer than two clusters.
    """
    rate = float(_above(values - others, margin).mean())
    if len(set(clusters)) < 2:
        return rate, None, None
    n = effective_number(clusters)
    centre = (rate + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(rate * (1 - rate) / n + _Z**2 / (4 * n**2))
    return rate, max(0.0, centre - half), min(1.0, centre + half)


def auc(
    values: Floats, others: Floats, clusters: Sequence[str], margin: float = 0.0
) -> tuple[float, float | None, float | None]:
    """Probability that one of ``values`` is above one of ``others``, ties counted half.

    This is the area under the ROC curve, and the Mann-Whitney statistic over all n x n pairs
    (Hanley and McNeil 1982, The Meaning and Use of the Area under a ROC Curve). The interval is the
    score interval of Newcombe 2006, Confidence Intervals for an Effect Size Measure Based on the
    Mann-Whitney Statistic, Part 2, method 5, with :func:`effective_number` for both sample sizes.
    It is made for two independent samples: two versions of the same samples mostly vary together,
    and then it is wider than it has to be. Unlike a bootstrap's it is no point where all are right.

    Parameters and result are those of :func:`win_rate`.
    """
    area = float(_above(values[:, None] - others[None, :], margin).mean())
    if len(set(clusters)) < 2:
        return area, None, None
    return area, *_area_interval(area, effective_number(clusters))


def _above(differences: Floats, margin: float) -> Floats:
    """1 where a difference is above the margin, 0.5 where it is within, else 0."""
    return np.where(np.abs(differences) <= margin, 0.5, differences > 0)


def effective_number(clusters: Sequence[str]) -> float:
    """Independent observations that samples of ``clusters`` are worth at least.

    (sum of the clusters' sizes)^2 / sum(sizes^2): Kish 1965, Survey Sampling, section 8.2, if all
    samples of a cluster say the same. Without shared clusters it is the number of samples.
    """
    sizes = np.unique(np.asarray(clusters, dtype=str), return_counts=True)[1]
    return float(sizes.sum() ** 2 / np.square(sizes).sum())


def _area_interval(area: float, n: float) -> tuple[float, float]:
    """The areas from which ``area`` is no further away than z of their own standard errors."""

    def excess(true: float) -> float:
        spread = (1 - true) / (2 - true) + true / (1 + true)
        variance = true * (1 - true) * (1 + (n - 1) * spread) / n**2
        return (true - area) ** 2 - _Z**2 * variance

    low = optimize.brentq(excess, 0.0, min(area, 1 - _END)) if area > _END else 0.0
    high = optimize.brentq(excess, max(area, _END), 1.0) if area < 1 - _END else 1.0
    return float(low), float(high)
