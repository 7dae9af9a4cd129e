"""Models compared sample by sample, under one judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from edit_benchmark.stats.estimates import (
    RESAMPLES,
    SEED,
    Floats,
    cluster_sums,
    interval,
    resampled_means,
    samples_needed,
    standard_error,
)

#: Differences, in points of the score, for which the needed number of samples is told.
SIZES = (0.25, 0.5)
# Scores nearer than this differ by rounding alone.
_TIE = 1e-9


@dataclass(frozen=True)
class Paired:
    """Model ``a`` against ``b`` on the samples scored for both; what does not exist is None.

    Attributes
    ----------
    n, left_out
        Samples scored for both, and samples of the scope that are not.
    difference, standard_error, low, high
        Mean of a - b in points, its cluster-robust error and its bootstrap interval.
    p
        Two-sided permutation test; None with fewer than two clusters.
    p_holm
        ``p`` after Holm's correction within its family (see :func:`compare`).
    wins, ties, losses
        Samples on which a is better, equal, worse.
    effect_size
        d_z: mean of the differences over their standard deviation (Lakens 2013, Calculating and
        Reporting Effect Sizes, eq. 6); None if the differences do not vary.
    needed
        For each of :data:`SIZES`, the samples at which a difference of that size is seen in four of
        five studies, if samples vary as these do.
    """

    a: str
    b: str
    category: str
    n: int
    left_out: int
    difference: float | None = None
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    wins: int = 0
    ties: int = 0
    losses: int = 0
    effect_size: float | None = None
    needed: tuple[int | None, ...] = (None,) * len(SIZES)


@dataclass(frozen=True)
class Rank:
    """A model's place by mean score, 1 the best, over the samples scored for every model."""

    model: str
    n: int
    rank: int
    low: int | None
    high: int | None
    mean: float


def compare(
    scores: Mapping[str, Mapping[str, float]],
    categories: Mapping[str, str],
    clusters: Mapping[str, str],
    overall: str,
) -> list[Paired]:
    """All pairs of models, over all samples and in each category.

    Parameters
    ----------
    scores
        For each model the scores of its scored samples, by id.
    categories, clusters
        Category and source hash of every sample of the benchmark, by id.
    overall
        The name that stands in ``category`` for all samples together.

    Returns
    -------
    list
        For each pair first the overall row, then one a category. ``p_holm`` is corrected over all
        pairs for the overall rows, and over the categories of a pair for the others.
    """
    rows: list[Paired] = []
    pairs = list(combinations(scores, 2))
    whole = [
        _paired(a, b, overall, list(categories), scores[a], scores[b], clusters) for a, b in pairs
    ]
    scopes: dict[str, list[str]] = {}
    for identifier, category in categories.items():
        scopes.setdefault(category, []).append(identifier)
    for first in _corrected(whole):
        rows.append(first)
        a, b = first.a, first.b
        parts = [
            _paired(a, b, category, ids, scores[a], scores[b], clusters)
            for category, ids in scopes.items()
        ]
        rows += _corrected(parts)
    return rows


def _paired(
    a: str,
    b: str,
    category: str,
    ids: Sequence[str],
    scores_a: Mapping[str, float],
    scores_b: Mapping[str, float],
    clusters: Mapping[str, str],
) -> Paired:
    both = [identifier for identifier in ids if identifier in scores_a and identifier in scores_b]
    left_out = len(ids) - len(both)
    if not both:
        return Paired(a, b, category, 0, left_out)
    differences = np.array([scores_a[identifier] - scores_b[identifier] for identifier in both])
    differences[np.abs(differences) < _TIE] = 0.0
    sources = [clusters[identifier] for identifier in both]
    sums, counts = cluster_sums(differences, sources)
    low, high = interval(resampled_means(sums, counts), len(sums))
    error = standard_error(differences, sources)
    std = float(differences.std(ddof=1)) if len(both) > 1 else 0.0
    needed: tuple[int | None, ...] = (None,) * len(SIZES)
    if error is not None and std > 0:
        # Per sample; samples that share a source tell less than independent ones.
        spread = error * np.sqrt(len(both))
        needed = tuple(samples_needed(float(spread), size) for size in SIZES)
    return Paired(
        a,
        b,
        category,
        n=len(both),
        left_out=left_out,
        difference=float(differences.mean()),
        standard_error=error,
        low=low,
        high=high,
        p=permutation_p(sums),
        wins=int((differences > 0).sum()),
        ties=int((differences == 0).sum()),
        losses=int((differences < 0).sum()),
        effect_size=float(differences.mean()) / std if std > 0 else None,
        needed=needed,
    )


def permutation_p(sums: Floats) -> float | None:
    """Two-sided p value that a and b could change places in every cluster.

    ``sums`` (clusters,) are the clusters' sums of differences. If the models do not differ, a
    cluster's sum is as likely as its negative: the signs are flipped in all ways, or at random, and
    then the data themselves count as one more flip (Phipson and Smyth 2010, Permutation P-values
    Should Never Be Zero). None with fewer than two clusters.
    """
    if len(sums) < 2:
        return None
    signs = _flips(len(sums))
    flipped = np.abs(signs @ sums)
    observed = abs(float(sums.sum()))
    # As in scipy.stats.permutation_test: sums that are equal but for rounding count as equal.
    hits = int((flipped >= observed * (1 - 1e-12) - 1e-12).sum())
    exact = len(signs) == 2 ** len(sums)
    return hits / len(signs) if exact else (hits + 1) / (len(signs) + 1)


@lru_cache(maxsize=8)
def _flips(clusters: int) -> NDArray[np.float32]:
    """Signs of the clusters: all combinations if they are at most RESAMPLES, else so many drawn."""
    if 2**clusters <= RESAMPLES:
        return np.array(list(product((1, -1), repeat=clusters)), np.float32)
    drawn = np.random.default_rng(SEED).integers(0, 2, (RESAMPLES, clusters), dtype=np.int8)
    return (2 * drawn - 1).astype(np.float32)


def holm(values: Sequence[float]) -> list[float]:
    """P values corrected for their number (Holm 1979, A Simple Sequentially Rejective Multiple Test
    Procedure): the i-th smallest of m is multiplied by m - i + 1, kept in order, at most 1."""
    order = np.argsort(values, kind="stable")
    corrected = [0.0] * len(values)
    largest = 0.0
    for position, index in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - position) * values[index]))
        corrected[index] = largest
    return corrected


def _corrected(rows: Sequence[Paired]) -> list[Paired]:
    tested = [row for row in rows if row.p is not None]
    values = iter(holm([row.p for row in tested if row.p is not None]))
    return [row if row.p is None else replace(row, p_holm=next(values)) for row in rows]


def ranks(scores: Mapping[str, Mapping[str, float]], clusters: Mapping[str, str]) -> list[Rank]:
    """Places of the models, best first, with bootstrap intervals at the level of the means'.

    Only samples scored for every model count. Equal means share the better place. No rows if there
    are no such samples.
    """
    models = list(scores)
    shared = [key for key in clusters if all(key in scores[model] for model in models)]
    if not shared:
        return []
    table = np.array([[scores[model][key] for model in models] for key in shared])
    sums, counts = cluster_sums(table, [clusters[key] for key in shared])
    means = table.mean(axis=0)
    places = _places(means[None, :])[0]
    low: list[int | None] = [None] * len(models)
    high: list[int | None] = [None] * len(models)
    if len(sums) > 1:
        drawn = _places(resampled_means(sums, counts))
        # A place is a whole number, so its percentiles are places that occurred.
        for column in range(len(models)):
            ends = np.quantile(drawn[:, column], [0.025, 0.975], method="inverted_cdf")
            low[column], high[column] = int(ends[0]), int(ends[1])
    rows = [
        Rank(model, len(shared), int(places[k]), low[k], high[k], float(means[k]))
        for k, model in enumerate(models)
    ]
    return sorted(rows, key=lambda row: row.rank)


def _places(means: Floats) -> Floats:
    return stats.rankdata(np.round(-means, 9), method="min", axis=1)
