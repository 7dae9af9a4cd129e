"""Models compared sample by sample, under one judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from edit_benchmark.stats.estimates import (
    SCALE,
    Estimate,
    Floats,
    cluster_sums,
    estimate,
    macro_estimate,
    members,
)
from edit_benchmark.stats.permutation import TIE, holm, permutation_p
from edit_benchmark.stats.power import samples_needed

#: Differences, in points of the score, for which the needed number of samples is told.
SIZES = (0.25, 0.5)


@dataclass(frozen=True)
class Paired:
    """Model ``a`` against ``b`` on the samples scored for both; what does not exist is None.

    Attributes
    ----------
    n, images, left_out
        Samples scored for both, source images among them, and samples of the scope that are not
        scored for both.
    difference, standard_error, low, high
        Mean of a - b in points, its cluster-robust error and its interval, see
        :func:`~edit_benchmark.stats.estimates.mean_interval`. Of the macro row: of the mean of the
        categories' mean differences.
    bound_low, bound_high
        The difference over all samples of the scope if every score that is missing were the one
        that is worst for a and best for b, or the other way round: nothing is assumed about what is
        missing (Manski 1990, Nonparametric Bounds on Treatment Effects).
    p
        Two-sided permutation test, see :func:`permutation_p`; None with fewer than two clusters.
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
    images: int
    left_out: int
    difference: float | None = None
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None
    bound_low: float | None = None
    bound_high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    wins: int = 0
    ties: int = 0
    losses: int = 0
    effect_size: float | None = None
    needed: tuple[int | None, ...] = (None,) * len(SIZES)


#: For each model the lowest and the highest score that samples may have.
Ends = Mapping[str, Mapping[str, tuple[float, float]]]


@dataclass(frozen=True)
class _Differences:
    """Scores of a minus scores of b: (n,), with category and source image of each sample."""

    values: Floats
    categories: NDArray[np.str_]
    clusters: NDArray[np.intp]

    def of(self, category: str) -> _Differences:
        """Those of one category."""
        own = self.categories == category
        return _Differences(self.values[own], self.categories[own], self.clusters[own])


@dataclass(frozen=True)
class _Column:
    """One model's samples, in the order of the benchmark: score, NaN if there is none, and the
    lowest and the highest one that may be."""

    scores: Floats
    lowest: Floats
    highest: Floats


def compare(
    scores: Mapping[str, Mapping[str, float]],
    categories: Mapping[str, str],
    clusters: Mapping[str, str],
    micro: str,
    macro: str,
    scale: tuple[float, float] = SCALE,
    ends: Ends | None = None,
) -> list[Paired]:
    """All pairs of models: over all samples, over the categories' means, and in each category.

    Parameters
    ----------
    scores
        For each model the scores of its scored samples, by id.
    categories, clusters
        Category and source hash of every sample of the benchmark, by id.
    micro, macro
        The names that stand in ``category`` for all samples together and for the mean of the
        categories' means.
    scale
        The lowest and the highest score that can be.
    ends
        What a sample's score may be, for the bounds, where it is not simply the score, or the
        whole scale without one.

    Returns
    -------
    list
        For each pair the micro row, the macro row, and one row a category. ``p_holm`` is corrected
        over all pairs for the micro rows, over all pairs for the macro rows, and over all pairs and
        categories together for the others: a reader looks for small values in all of them.
    """
    names = list(dict.fromkeys(categories.values()))
    category = np.array(list(categories.values()), dtype=str)
    image = members([clusters[key] for key in categories])
    limits = (scale[0] - scale[1], scale[1] - scale[0])
    columns = {
        model: _column(categories, known, (ends or {}).get(model, {}), scale)
        for model, known in scores.items()
    }
    rows: dict[str, list[Paired]] = {micro: [], macro: [], "": []}
    for a, b in combinations(scores, 2):
        first, second = columns[a], columns[b]
        low, high = first.lowest - second.highest, first.highest - second.lowest
        whole = _differences(first, second, category, image)
        parts = []
        for name in names:
            own = category == name
            row = _paired(a, b, name, int(own.sum()), whole.of(name), limits)
            parts.append(_bounded(row, low[own], high[own]))
        pooled = _paired(a, b, micro, len(categories), whole, limits)
        rows[micro].append(_bounded(pooled, low, high))
        rows[macro].append(_macro(parts, macro, len(categories), whole, limits))
        rows[""] += parts
    families = {name: _corrected(family) for name, family in rows.items()}
    result: list[Paired] = []
    for number, (first_row, second_row) in enumerate(
        zip(families[micro], families[macro], strict=True)
    ):
        part = families[""][number * len(names) : (number + 1) * len(names)]
        result += [first_row, second_row, *part]
    return result


def _column(
    ids: Iterable[str],
    scores: Mapping[str, float],
    ends: Mapping[str, tuple[float, float]],
    scale: tuple[float, float],
) -> _Column:
    keys = list(ids)
    known = np.array([scores.get(key, np.nan) for key in keys], float)
    lowest = np.where(np.isnan(known), scale[0], known)
    highest = np.where(np.isnan(known), scale[1], known)
    if ends:
        place = {key: number for number, key in enumerate(keys)}
        for key, (low, high) in ends.items():
            lowest[place[key]], highest[place[key]] = low, high
    return _Column(known, lowest, highest)


def _differences(
    a: _Column, b: _Column, categories: NDArray[np.str_], clusters: NDArray[np.intp]
) -> _Differences:
    values = a.scores - b.scores
    both = ~np.isnan(values)
    values = values[both]
    values[np.abs(values) < TIE] = 0.0
    return _Differences(values, categories[both], clusters[both])


def _bounded(row: Paired, lowest: Floats, highest: Floats) -> Paired:
    """The row with the bounds of its difference, from those of each sample's."""
    return replace(row, bound_low=fmean(lowest.tolist()), bound_high=fmean(highest.tolist()))


def _paired(
    a: str,
    b: str,
    category: str,
    samples: int,
    differences: _Differences,
    limits: tuple[float, float],
) -> Paired:
    """The row without bounds; ``limits`` are the least and the greatest difference that can be."""
    values = differences.values
    if not len(values):
        return Paired(a, b, category, 0, 0, samples)
    result = estimate(values, differences.clusters, limits)
    sums, _ = cluster_sums(values, differences.clusters)
    std = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    # Equal differences leave a residue of rounding that is no variance.
    needed: tuple[int | None, ...] = (None,) * len(SIZES)
    if result.standard_error is not None and result.standard_error > TIE:
        # Per sample; samples that share a source tell less than independent ones.
        spread = result.standard_error * len(values) ** 0.5
        needed = tuple(samples_needed(spread, size) for size in SIZES)
    return replace(
        _row(a, b, category, samples, differences, result),
        p=permutation_p(sums),
        effect_size=float(values.mean()) / std if std > TIE else None,
        needed=needed,
    )


def _macro(
    parts: Sequence[Paired],
    macro: str,
    samples: int,
    differences: _Differences,
    limits: tuple[float, float],
) -> Paired:
    """The mean of the categories' mean differences; without one if a category has no difference.

    ``parts`` are the rows of the categories; the bounds are the means of theirs.
    """
    a, b, categories = parts[0].a, parts[0].b, len(parts)
    values = differences.values
    low = fmean(part.bound_low for part in parts if part.bound_low is not None)
    high = fmean(part.bound_high for part in parts if part.bound_high is not None)
    _, place, sizes = np.unique(differences.categories, return_inverse=True, return_counts=True)
    if len(sizes) < categories:
        images = len(np.unique(differences.clusters))
        empty = Paired(a, b, macro, len(values), images, samples - len(values))
        return replace(empty, bound_low=low, bound_high=high)
    result = macro_estimate(values, differences.categories, differences.clusters, limits)
    # Each sample counts as its share of the macro mean.
    weights = 1 / (categories * sizes[place])
    sums, _ = cluster_sums(values * weights, differences.clusters)
    row = _row(a, b, macro, samples, differences, result)
    return replace(row, p=permutation_p(sums), bound_low=low, bound_high=high)


def _row(
    a: str, b: str, category: str, samples: int, differences: _Differences, result: Estimate
) -> Paired:
    values = differences.values
    return Paired(
        a,
        b,
        category,
        n=len(values),
        images=result.clusters,
        left_out=samples - len(values),
        difference=result.mean,
        standard_error=result.standard_error,
        low=result.low,
        high=result.high,
        wins=int((values > 0).sum()),
        ties=int((values == 0).sum()),
        losses=int((values < 0).sum()),
    )


def _corrected(rows: Sequence[Paired]) -> list[Paired]:
    tested = [row for row in rows if row.p is not None]
    values = iter(holm([row.p for row in tested if row.p is not None]))
    return [row if row.p is None else replace(row, p_holm=next(values)) for row in rows]
