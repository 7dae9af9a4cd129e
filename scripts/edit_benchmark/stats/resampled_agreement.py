"""Bootstrap distributions of coefficients of agreement, whole source images drawn at once.

Each function gives what the coefficient would be on every bootstrap sample, without making the
samples: a cluster that is drawn k times counts k times. NaN where nothing varies in a sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from edit_benchmark.stats.estimates import (
    LEVEL,
    NO_INTERVAL,
    SEED,
    Floats,
    Interval,
    draws,
    members,
)

#: Bootstrap samples; of the coefficients fewer are drawn than of means, which are cheaper.
RESAMPLES = 1999
# So many entries are worked on at a time.
_BATCH_ENTRIES = 4_000_000
#: Variances of scores below this are rounding.
NOTHING = 1e-12


#: More edits, or clusters, have the interval of :func:`jackknife_interval`: of pairs of edits there
#: are billions, and of pairs of clusters.
MANY_EDITS, MANY_CLUSTERS = 20_000, 2_000
#: Groups of clusters that are left out in turn.
_GROUPS = 50


def are_many(clusters: Sequence[str]) -> bool:
    """Whether edits with these source images are too many for bootstrap samples."""
    return len(clusters) > MANY_EDITS or len(set(clusters)) > MANY_CLUSTERS


def jackknife_interval(
    statistic: Callable[[NDArray[np.bool_]], float], clusters: Sequence[str]
) -> Interval:
    """Interval of a coefficient by a jackknife that leaves out groups of clusters in turn.

    The clusters are divided at random into G groups. With theta_g the coefficient without group g
    the variance is (G - 1) / G sum (theta_g - their mean)^2, and the interval Student's t with
    G - 1 degrees of freedom (Kott 2001, The Delete-a-Group Jackknife, Journal of Official
    Statistics 17).

    There is none if the coefficient does not exist, or not without one of the groups.

    Parameters
    ----------
    statistic
        The coefficient, -1 to 1, of the edits that a mask (n,) keeps; NaN if it does not exist.
    clusters
        The source images of the n edits.
    """
    member = members(clusters)
    size = int(member.max()) + 1
    group = np.random.default_rng(SEED).permutation(size)[member] % _GROUPS
    values = np.array([statistic(group != one) for one in range(_GROUPS)])
    error = np.sqrt((_GROUPS - 1) / _GROUPS * np.square(values - values.mean()).sum())
    whole = statistic(np.ones(len(member), bool))
    if np.isnan(whole - error):
        return NO_INTERVAL
    half = special.stdtrit(_GROUPS - 1, (1 + LEVEL) / 2) * error
    return max(-1.0, float(whole - half)), min(1.0, float(whole + half))


@dataclass(frozen=True)
class Draws:
    """Bootstrap samples of n edits.

    Attributes
    ----------
    member
        The cluster of each edit, shape (n,).
    weights
        How often each sample draws each cluster, shape (RESAMPLES, clusters).
    """

    member: NDArray[np.intp]
    weights: Floats

    @classmethod
    def of(cls, clusters: Sequence[str]) -> Draws:
        """Samples of edits with these source images."""
        member = members(clusters)
        return cls(member, draws(int(member.max()) + 1)[:RESAMPLES].astype(float))

    def sums(self, *columns: Floats) -> list[Floats]:
        """The sum of each column (n,) over each sample, shape (RESAMPLES,)."""
        size = self.weights.shape[1]
        return [self.weights @ np.bincount(self.member, column, size) for column in columns]


def spearman(x: Floats, y: Floats, drawn: Draws) -> Floats:
    """Spearman's rank correlation of ``x`` and ``y`` (n,) in each sample; ties have mean ranks."""
    result = np.empty(len(drawn.weights))
    rows = max(1, _BATCH_ENTRIES // len(x))
    for start in range(0, len(result), rows):
        weights = drawn.weights[start : start + rows][:, drawn.member]
        ranks_x, ranks_y = _ranks(x, weights), _ranks(y, weights)
        total = weights.sum(axis=1, keepdims=True)
        ranks_x -= (weights * ranks_x).sum(axis=1, keepdims=True) / total
        ranks_y -= (weights * ranks_y).sum(axis=1, keepdims=True) / total
        both = (weights * ranks_x * ranks_y).sum(axis=1)
        spread = (weights * ranks_x**2).sum(axis=1) * (weights * ranks_y**2).sum(axis=1)
        result[start : start + rows] = _ratio(both, np.sqrt(spread))
    return result


def _ranks(values: Floats, weights: Floats) -> Floats:
    """Mean rank, but for a constant, of each value (n,) where it counts as ``weights`` (rows, n)
    say."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max() + 1))
    sizes = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks: Floats = (np.cumsum(sizes, axis=1) - sizes / 2)[:, group]
    return ranks


def kendall(x: Floats, y: Floats, drawn: Draws) -> Floats:
    """Kendall's tau-b of ``x`` and ``y`` (n,) in each sample.

    Concordant less discordant pairs over the root of the pairs not tied in x times those not tied
    in y (Kendall 1945, The Treatment of Ties in Ranking Problems), summed by pairs of clusters.
    """
    order = np.argsort(drawn.member, kind="stable")
    x, y, member = x[order], y[order], drawn.member[order]
    size = int(member[-1]) + 1
    starts = np.searchsorted(member, np.arange(size))
    tables = np.zeros((3, size, size))
    rows = max(1, _BATCH_ENTRIES // len(x))
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        signs_x = np.sign(x[part, None] - x[None, :])
        signs_y = np.sign(y[part, None] - y[None, :])
        for table, pairs in zip(
            tables, (signs_x * signs_y, np.abs(signs_x), np.abs(signs_y)), strict=True
        ):
            np.add.at(table, member[part], np.add.reduceat(pairs, starts, axis=1))
    both, free_x, free_y = ((drawn.weights @ table * drawn.weights).sum(axis=1) for table in tables)
    return _ratio(both, np.sqrt(free_x * free_y))


def kappa(x: Floats, y: Floats, drawn: Draws) -> Floats:
    """Quadratic weighted kappa of ``x`` and ``y`` (n,) in each sample."""
    middle = (x.mean() + y.mean()) / 2
    x, y = x - middle, y - middle
    n, sum_x, sum_y, squares, apart = drawn.sums(
        np.ones_like(x), x, y, x**2 + y**2, np.square(x - y)
    )
    expected = (squares - (sum_x**2 + sum_y**2) / n + (sum_x - sum_y) ** 2 / n) / n
    return 1 - _ratio(apart / n, expected)


def alpha(table: Floats, drawn: Draws) -> Floats:
    """Krippendorff's alpha of ``table`` (raters, n) in each sample; NaN is no score.

    Every edit has to have two scores or more.
    """
    table = table - np.nanmean(table)
    count = (~np.isnan(table)).sum(axis=0).astype(float)
    apart, n, total, squares = drawn.sums(
        count * np.nanvar(table, axis=0, ddof=1),
        count,
        np.nansum(table, axis=0),
        np.nansum(table**2, axis=0),
    )
    return 1 - _ratio(apart / n, (squares - total**2 / n) / (n - 1))


def _ratio(part: Floats, whole: Floats) -> Floats:
    """``part / whole``, NaN where the whole is nothing."""
    ratio: Floats = np.where(whole > NOTHING, part, np.nan) / np.maximum(whole, NOTHING)
    return ratio
