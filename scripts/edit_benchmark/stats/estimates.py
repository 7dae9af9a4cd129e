"""Means with their uncertainty: bootstrap intervals, standard errors and bounds.

What counts as one observation is decided here alone: samples that share a source image are one
cluster, and every interval, error and test resamples, sums or flips whole clusters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

#: Two-sided level of every interval.
LEVEL = 0.95
#: A mean of fewer scored samples is marked.
FEW = 5
#: The scale of the scores.
LOWEST, HIGHEST = 0.0, 10.0
RESAMPLES = 4999
SEED = 20_240_501
# Resampling multiplies so many entries at a time, 64 MB of them.
_BATCH_ENTRIES = 8_000_000

Floats = NDArray[np.float64]
Interval = tuple[float | None, float | None]
NO_INTERVAL: Interval = (None, None)


@dataclass(frozen=True)
class Estimate:
    """A mean of scores and how far it can be trusted; what does not exist is None.

    Attributes
    ----------
    n, clusters
        Scored samples, and source images among them.
    mean, std, median, minimum, maximum
        ``std`` is the population's (divided by n). None of no scores.
    standard_error
        Cluster-robust; None with fewer than two clusters.
    low, high
        Bootstrap interval at :data:`LEVEL`; None with fewer than two clusters.
    """

    n: int
    clusters: int
    mean: float | None = None
    std: float | None = None
    median: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None


def estimate(values: Sequence[float], clusters: Sequence[str]) -> Estimate:
    """The mean of ``values`` (n scores) with error and interval; ``clusters`` are the n hashes of
    their source images."""
    if not values:
        return Estimate(0, 0)
    scores = np.asarray(values, float)
    sums, counts = cluster_sums(scores, clusters)
    low, high = interval(resampled_means(sums, counts), len(counts))
    return Estimate(
        n=scores.size,
        clusters=len(counts),
        mean=float(scores.mean()),
        std=float(scores.std()),
        median=float(np.median(scores)),
        minimum=float(scores.min()),
        maximum=float(scores.max()),
        standard_error=standard_error(scores, clusters),
        low=low,
        high=high,
    )


def standard_error(values: Floats, clusters: Sequence[str]) -> float | None:
    """Standard error of the mean of ``values`` (n,), robust to samples that share a cluster.

    The residuals of each of the C clusters are summed before they are squared, and C / (C - 1)
    corrects for the estimated mean (Cameron and Miller 2015, A Practitioner's Guide to
    Cluster-Robust Inference, section II, for a regression on a constant). With a cluster for each
    sample this is the usual s / sqrt(n). None with fewer than two clusters.
    """
    sums, counts = cluster_sums(values - values.mean(), clusters)
    if len(counts) < 2:
        return None
    correction = len(counts) / (len(counts) - 1)
    return float(np.sqrt(correction * np.square(sums).sum()) / counts.sum())


def cluster_sums(values: Floats, clusters: Sequence[str]) -> tuple[Floats, Floats]:
    """Sums of ``values`` over each cluster, and how many values each sum has.

    ``values`` are n, or n x columns, NaN where one is missing; both results have shape (clusters,)
    or (clusters, columns).
    """
    _, member = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    shape = (int(member.max(initial=-1)) + 1, *values.shape[1:])
    sums, counts = np.zeros(shape), np.zeros(shape)
    present = ~np.isnan(values)
    np.add.at(sums, member, np.where(present, values, 0.0))
    np.add.at(counts, member, present)
    return sums, counts


def resampled_means(sums: Floats, counts: Floats) -> Floats:
    """Means of bootstrap samples that draw clusters with replacement.

    Parameters
    ----------
    sums, counts
        As of :func:`cluster_sums`, shape (clusters,) or (clusters, columns).

    Returns
    -------
    array
        Shape (RESAMPLES,) or (RESAMPLES, columns); NaN where a bootstrap sample drew nothing of a
        column. All columns are of the same draws.
    """
    weights = _draws(len(sums))
    means = np.empty((RESAMPLES, *sums.shape[1:]))
    rows = max(1, _BATCH_ENTRIES // max(1, len(sums)))
    for start in range(0, RESAMPLES, rows):
        part = weights[start : start + rows].astype(float)
        drawn = part @ counts
        with np.errstate(invalid="ignore"):
            means[start : start + rows] = np.where(drawn > 0, part @ sums, np.nan) / drawn
    return means


@lru_cache(maxsize=8)
def _draws(clusters: int) -> NDArray[np.uint16]:
    """How often each bootstrap sample draws each cluster, shape (RESAMPLES, clusters)."""
    drawn = np.random.default_rng(SEED).integers(0, clusters, (RESAMPLES, clusters))
    offsets = clusters * np.arange(RESAMPLES)[:, None]
    flat = np.bincount((drawn + offsets).ravel(), minlength=RESAMPLES * clusters)
    return flat.reshape(RESAMPLES, clusters).astype(np.uint16)


def interval(resampled: Floats, clusters: int) -> Interval:
    """Percentile interval of a statistic's bootstrap distribution ``resampled`` (RESAMPLES,).

    Percentile intervals of few clusters are too narrow, so the percentiles are those of
    :func:`expanded_level`. (None, None) with fewer than two clusters: one image says nothing of
    others.
    """
    if clusters < 2:
        return NO_INTERVAL
    tail = (1 - expanded_level(clusters)) / 2
    low, high = np.nanquantile(resampled, [tail, 1 - tail])
    return float(low), float(high)


def expanded_level(clusters: int) -> float:
    """Level whose percentile interval covers as a t interval at :data:`LEVEL` would.

    Hesterberg 2015, What Teachers Should Know About the Bootstrap, The American Statistician 69,
    section 5.3 (expanded percentile interval): alpha'/2 = Phi(-sqrt(n / (n - 1)) t), where n is the
    number of clusters, at least 2, and t the 1 - alpha/2 quantile of Student's t with n - 1 degrees
    of freedom.
    """
    quantile = stats.t.ppf((1 + LEVEL) / 2, clusters - 1)
    return float(1 - 2 * stats.norm.cdf(-math.sqrt(clusters / (clusters - 1)) * quantile))


def macro_estimate(
    values: Sequence[float], groups: Sequence[str], clusters: Sequence[str]
) -> Estimate:
    """The mean of the groups' means; ``groups`` are the categories of the n values.

    Interval and standard error (the standard deviation of the resampled means) come from drawing
    clusters over all groups; a group that a draw happens to miss is left out of that draw's mean.
    """
    if not values:
        return Estimate(0, 0)
    names = np.asarray(groups, dtype=str)
    members = names[:, None] == np.unique(names)[None, :]
    table = np.where(members, np.asarray(values, float)[:, None], np.nan)
    sums, counts = cluster_sums(table, clusters)
    several = len(sums) > 1
    resampled = np.nanmean(resampled_means(sums, counts), axis=1)
    low, high = interval(resampled, len(sums))
    return Estimate(
        n=len(values),
        clusters=len(sums),
        mean=float(np.nanmean(table, axis=0).mean()),
        standard_error=float(resampled.std(ddof=1)) if several else None,
        low=low,
        high=high,
    )


def bounds(mean: float | None, scored: int, missing: int) -> Interval:
    """The mean over all samples if every missing one had the lowest, or the highest score.

    Manski 1990, Nonparametric Bounds on Treatment Effects: nothing is assumed about what is
    missing. (None, None) of no samples at all.
    """
    total = scored + missing
    if total == 0:
        return NO_INTERVAL
    known = (mean or 0.0) * scored
    return (known + missing * LOWEST) / total, (known + missing * HIGHEST) / total


def samples_needed(std: float, size: float, power: float = 0.8) -> int:
    """Samples at which a paired difference of ``size`` is seen with probability ``power``.

    n = ((z(1-alpha/2) + z(power)) std / size)^2, rounded up, where ``std`` is the standard
    deviation of the differences, alpha = 1 - LEVEL, two-sided (Miller 2024, Adding Error Bars to
    Evals, arXiv 2411.00640, section 5; Lachin 1981 for the formula).
    """
    z = stats.norm.ppf((1 + LEVEL) / 2) + stats.norm.ppf(power)
    return max(2, math.ceil((z * std / size) ** 2))


def largest_tie(values: Sequence[float]) -> float:
    """The largest share of exactly equal values, 0 to 1."""
    if not values:
        return 0.0
    return float(np.unique(np.asarray(values), return_counts=True)[1].max() / len(values))
