"""Means with their uncertainty: bootstrap intervals, standard errors and bounds.

What counts as one observation is decided here alone: samples that share a source image are one
cluster, and every interval, error and test resamples, sums or flips whole clusters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

#: Two-sided level of every interval.
LEVEL = 0.95
#: A mean of fewer scored samples is marked.
FEW = 5
#: The widest scale that scores may have.
LOWEST, HIGHEST = SCALE = 0.0, 10.0
#: With more clusters an interval is Student's t alone: there the bootstrap's is the same to a
#: hundredth of its width, and its draws would take gigabytes.
MANY = 5000
RESAMPLES = 4999
SEED = 20_240_501
# Resampling multiplies so many entries at a time, 64 MB of them.
_BATCH_ENTRIES = 8_000_000

Floats = NDArray[np.float64]
#: The cluster of each value: the hash of its source image, or numbers in the order of these.
Clusters = Sequence[str] | NDArray[np.intp]
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


def estimate(
    values: Sequence[float] | Floats,
    clusters: Clusters,
    scale: tuple[float, float] = SCALE,
) -> Estimate:
    """The mean of ``values`` (n scores) with error and interval.

    Parameters
    ----------
    clusters
        Their n source images.
    scale
        The lowest and the highest value that can be.
    """
    if not len(values):
        return Estimate(0, 0)
    scores = np.asarray(values, float)
    sums, counts = cluster_sums(scores, clusters)
    error = standard_error(scores, clusters)
    low, high = mean_interval(
        float(scores.mean()), error, resampled_means(sums, counts), len(counts), scale
    )
    return Estimate(
        n=scores.size,
        clusters=len(counts),
        mean=float(scores.mean()),
        std=float(scores.std()),
        median=float(np.median(scores)),
        minimum=float(scores.min()),
        maximum=float(scores.max()),
        standard_error=error,
        low=low,
        high=high,
    )


def standard_error(values: Floats, clusters: Clusters) -> float | None:
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


def members(clusters: Clusters) -> NDArray[np.intp]:
    """The number of each value's cluster: 0 for the first one by name, and so on."""
    if isinstance(clusters, np.ndarray):
        return np.unique(clusters, return_inverse=True)[1]
    # Not by numpy, in whose arrays each letter of a hash takes four bytes.
    place = {name: number for number, name in enumerate(sorted(set(clusters)))}
    return np.fromiter((place[name] for name in clusters), np.intp, len(clusters))


def cluster_sums(values: Floats, clusters: Clusters) -> tuple[Floats, Floats]:
    """Sums of ``values`` over each cluster, and how many values each sum has.

    ``values`` are n, or n x columns, NaN where one is missing; both results have shape (clusters,)
    or (clusters, columns).
    """
    member = members(clusters)
    shape = (int(member.max(initial=-1)) + 1, *values.shape[1:])
    sums, counts = np.zeros(shape), np.zeros(shape)
    present = ~np.isnan(values)
    np.add.at(sums, member, np.where(present, values, 0.0))
    np.add.at(counts, member, present)
    return sums, counts


def resampled_means(sums: Floats, counts: Floats) -> Floats | None:
    """Means of bootstrap samples that draw clusters with replacement.

    None with more than :data:`MANY` clusters.

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
    if len(sums) > MANY:
        return None
    weights = draws(len(sums))
    means = np.empty((RESAMPLES, *sums.shape[1:]))
    rows = max(1, _BATCH_ENTRIES // max(1, len(sums)))
    for start in range(0, RESAMPLES, rows):
        part = weights[start : start + rows].astype(float)
        drawn = part @ counts
        with np.errstate(invalid="ignore"):
            means[start : start + rows] = np.where(drawn > 0, part @ sums, np.nan) / drawn
    return means


@lru_cache(maxsize=8)
def draws(clusters: int) -> NDArray[np.uint16]:
    """How often each bootstrap sample draws each cluster, shape (RESAMPLES, clusters)."""
    return np.concatenate([*draws_in_parts(clusters)])


def draws_in_parts(clusters: int, resamples: int = RESAMPLES) -> Iterator[NDArray[np.uint16]]:
    """The first rows of :func:`draws`, some at a time: of many clusters all fill gigabytes."""
    generator = np.random.default_rng(SEED)
    rows = max(1, _BATCH_ENTRIES // max(1, clusters))
    for start in range(0, resamples, rows):
        shape = (min(rows, resamples - start), clusters)
        drawn = generator.integers(0, clusters, shape)
        drawn += clusters * np.arange(shape[0])[:, None]
        counts = np.bincount(drawn.ravel(), minlength=drawn.size)
        yield counts.reshape(shape).astype(np.uint16)


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


def mean_interval(
    mean: float,
    error: float | None,
    resampled: Floats | None,
    clusters: float,
    scale: tuple[float, float],
) -> Interval:
    """Interval of a mean: the wider one of the bootstrap's and Student's t, cut to the scale.

    Neither is enough alone. The percentile interval of two or three clusters is just their range
    and covers 50 and 74 % of normal data; t on the cluster-robust error covers 31 % where one of
    ten clusters has most of the samples. Their union covers 93 to 96 % in both (simulated:
    tests/statistics.md). Where one of fewer than five clusters has nearly all samples it covers
    about 60, 80 and 90 % with two, three and four. Failures so rare that a sample may hold none are
    covered by no interval of this kind.

    Parameters
    ----------
    error
        Cluster-robust standard error; None with fewer than two clusters: then no interval.
    resampled
        Bootstrap means, as of :func:`resampled_means`; None for t alone.
    clusters
        Their number: one more than the degrees of freedom of t, which need not be whole.
    scale
        The lowest and the highest mean that can be.
    """
    if error is None or clusters <= 1:
        return NO_INTERVAL
    half = float(special.stdtrit(clusters - 1, (1 + LEVEL) / 2)) * error
    low = high = None
    if resampled is not None:
        low, high = interval(resampled, max(2, round(clusters)))
    if low is None or high is None:
        low = high = mean
    return max(scale[0], min(low, mean - half)), min(scale[1], max(high, mean + half))


def expanded_level(clusters: int) -> float:
    """Level whose percentile interval covers as a t interval at :data:`LEVEL` would.

    Hesterberg 2015, What Teachers Should Know About the Bootstrap, The American Statistician 69,
    section 5.3 (expanded percentile interval): alpha'/2 = Phi(-sqrt(n / (n - 1)) t), where n is the
    number of clusters, at least 2, and t the 1 - alpha/2 quantile of Student's t with n - 1 degrees
    of freedom.
    """
    quantile = special.stdtrit(clusters - 1, (1 + LEVEL) / 2)
    return float(1 - 2 * special.ndtr(-math.sqrt(clusters / (clusters - 1)) * quantile))


def macro_estimate(
    values: Sequence[float] | Floats,
    groups: Sequence[str] | NDArray[np.str_],
    clusters: Clusters,
    scale: tuple[float, float] = SCALE,
) -> Estimate:
    """The mean of the groups' means; ``groups`` are the categories of the n values.

    The standard error is that of :func:`macro_error`. The interval is that of
    :func:`mean_interval`, with bootstrap samples that draw clusters over all groups (a group that a
    draw happens to miss is left out of that draw's mean) and Satterthwaite's degrees of freedom.
    """
    if not len(values):
        return Estimate(0, 0)
    names = np.asarray(groups, dtype=str)
    members = names[:, None] == np.unique(names)[None, :]
    table = np.where(members, np.asarray(values, float)[:, None], np.nan)
    sums, counts = cluster_sums(table, clusters)
    mean = float(np.nanmean(table, axis=0).mean())
    error, degrees = macro_error(sums, counts)
    drawn = resampled_means(sums, counts)
    resampled = None if drawn is None else np.nanmean(drawn, axis=1)
    low, high = mean_interval(mean, error, resampled, degrees + 1, scale)
    return Estimate(
        n=len(values),
        clusters=len(sums),
        mean=mean,
        standard_error=error,
        low=low,
        high=high,
    )


def macro_error(sums: Floats, counts: Floats) -> tuple[float | None, float]:
    """Standard error of the mean of K groups' means, and its degrees of freedom.

    Where each cluster lies in one group this is the stratified estimator, sqrt(sum SE_k^2) / K
    (Cochran 1977, Sampling Techniques, section 5.6), SE_k as of :func:`standard_error`; with one
    group it is that group's own. A cluster that has samples in several groups adds the covariance
    of their means. Degrees of freedom: Satterthwaite 1946, (sum v_k)^2 / sum(v_k^2 / (C_k - 1)),
    v_k = SE_k^2, C_k the clusters of group k. (None, 0) if a group has fewer than two clusters.

    Parameters
    ----------
    sums, counts
        As of :func:`cluster_sums`, shape (clusters, K).
    """
    present = counts > 0
    sizes = present.sum(axis=0)
    if (sizes < 2).any():
        return None, 0.0
    totals = counts.sum(axis=0)
    residuals = (sums - counts * (sums.sum(axis=0) / totals)) / totals
    residuals *= np.sqrt(sizes / (sizes - 1))
    variances = np.square(residuals).sum(axis=0)
    error = float(np.sqrt(np.square(residuals.sum(axis=1)).sum()) / len(totals))
    spread = float((np.square(variances) / (sizes - 1)).sum())
    degrees = float(variances.sum() ** 2 / spread) if spread > 0 else float(sizes.min() - 1)
    return error, degrees


def bounds(
    mean: float | None, scored: float, missing: float, scale: tuple[float, float] = SCALE
) -> Interval:
    """The mean over all samples if every missing one had the lowest, or the highest score.

    Manski 1990, Nonparametric Bounds on Treatment Effects: nothing is assumed about what is
    missing. (None, None) of no samples at all.
    """
    total = scored + missing
    if total == 0:
        return NO_INTERVAL
    known = (mean or 0.0) * scored
    return (known + missing * scale[0]) / total, (known + missing * scale[1]) / total


def largest_tie(values: Sequence[float]) -> float:
    """The largest share of exactly equal values, 0 to 1."""
    if not values:
        return 0.0
    return float(np.unique(np.asarray(values), return_counts=True)[1].max() / len(values))
