"""Do judges agree: with one another, with themselves, with people?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edit_benchmark.stats import resampled_agreement as resampled
from edit_benchmark.stats.components import components, variances
from edit_benchmark.stats.estimates import NO_INTERVAL, Floats, Interval, interval

#: An edit: model, sample id, repeat of the edit.
Key = tuple[str, str, int]
Ratings = Mapping[str, Mapping[Key, float]]
# A coefficient and its interval.
_Coefficient = tuple[float | None, float | None, float | None]
_NO_COEFFICIENT: _Coefficient = (None, None, None)


@dataclass(frozen=True)
class Agreement:
    """Two raters on the edits that both scored; coefficients that do not exist are None.

    The interval of a coefficient is that of a bootstrap over source images, see
    :func:`~edit_benchmark.stats.estimates.interval`; of a jackknife if there are many.

    Attributes
    ----------
    n, images
        Edits scored by both, and source images among them.
    difference
        Mean of a - b in points: a judge may order as another does and yet be stricter. As kappa and
        alpha only on one scale.
    spearman, kendall
        Rank correlation, tau-b for ties.
    kappa
        Quadratic weighted kappa, see :func:`quadratic_kappa`.
    alpha
        Krippendorff's alpha of the two, interval metric.
    """

    a: str
    b: str
    n: int
    images: int = 0
    difference: float | None = None
    spearman: float | None = None
    spearman_low: float | None = None
    spearman_high: float | None = None
    kendall: float | None = None
    kendall_low: float | None = None
    kendall_high: float | None = None
    kappa: float | None = None
    kappa_low: float | None = None
    kappa_high: float | None = None
    alpha: float | None = None
    alpha_low: float | None = None
    alpha_high: float | None = None


@dataclass(frozen=True)
class Alpha:
    """Krippendorff's alpha of several raters over the ``n`` edits that two or more of them scored,
    with its interval."""

    n: int
    images: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Repeats:
    """How much of the scores' variance is one judge's own noise, from its repeats.

    Attributes
    ----------
    judges
        Names of the judges that are the same judge.
    varied
        What differed between the repeats, ``nothing`` if they were asked the same.
    n
        Edits that all of them scored.
    noise_std, sample_std
        Standard deviations in points: of one edit's score from repeat to repeat, and of edits from
        one another once that is taken off.
    reliability
        ICC(1,1): the share of the variance that is not noise; None if nothing varies.
    """

    judges: tuple[str, ...]
    n: int
    noise_std: float | None = None
    sample_std: float | None = None
    reliability: float | None = None
    varied: str = "nothing"


def agree(
    a: str,
    b: str,
    scores_a: Mapping[Key, float],
    scores_b: Mapping[Key, float],
    clusters: Mapping[str, str],
    *,
    one_scale: bool,
) -> Agreement:
    """How rater ``a`` agrees with ``b``.

    Parameters
    ----------
    scores_a, scores_b
        Their scores.
    clusters
        The source image of each sample, by id.
    one_scale
        Whether both score on one scale; if not, only the rank correlations mean anything.
    """
    both = [key for key in scores_a if key in scores_b]
    images = [clusters[key[1]] for key in both]
    count = len(set(images))
    if len(both) < 2:
        return Agreement(a, b, len(both), count)
    x = np.array([scores_a[key] for key in both])
    y = np.array([scores_b[key] for key in both])
    band = _Bands(images)
    # Each with its interval.
    spearman = kendall = kappa = both_alpha = _NO_COEFFICIENT
    # Against a rater who gives everything the same score there is no correlation.
    if np.ptp(x) > 0 and np.ptp(y) > 0:
        # Most reports have one judge and no people, and need not wait for its import.
        from scipy import stats

        def rho(x: Floats, y: Floats) -> float:
            return float(stats.spearmanr(x, y).statistic)

        def tau(x: Floats, y: Floats) -> float:
            return float(stats.kendalltau(x, y).statistic)

        spearman = (rho(x, y), *band(rho, resampled.spearman, x, y))
        kendall = (tau(x, y), *band(tau, resampled.kendall, x, y))
    if one_scale:
        kappa = (quadratic_kappa(x, y), *band(quadratic_kappa, resampled.kappa, x, y))
        table = np.array([x, y])
        both_alpha = (alpha(table), *band(alpha, resampled.alpha, table))
    difference = float((x - y).mean()) if one_scale else None
    return Agreement(a, b, len(both), count, difference, *spearman, *kendall, *kappa, *both_alpha)


class _Bands:
    """Intervals of coefficients of edits with these source ``images``.

    Of a bootstrap, or of a jackknife where they are many.
    """

    def __init__(self, images: Sequence[str]) -> None:
        self._images = images
        self._draws = None if resampled.are_many(images) else resampled.Draws.of(images)

    def __call__(
        self,
        statistic: Callable[..., float | None],
        distribution: Callable[..., Floats],
        *data: Floats,
    ) -> Interval:
        """The interval of a ``statistic`` of ``data`` (..., n) with this bootstrap distribution.

        Draws in which nothing varies have no value. There is no interval where most have none, so
        that there is none without a coefficient.
        """
        if self._draws is None:

            def without(keep: NDArray[np.bool_]) -> float:
                value = statistic(*(part[..., keep] for part in data))
                return float("nan") if value is None else value

            return resampled.jackknife_interval(without, self._images)
        values = distribution(*data, self._draws)
        if np.isnan(values).mean() > 0.5:
            return NO_INTERVAL
        return interval(values, len(set(self._images)))


def quadratic_kappa(x: Floats, y: Floats) -> float | None:
    """Cohen's kappa with quadratic weights for the n scores of two raters.

    1 - sum(w observed) / sum(w expected) with w = (score - score)^2 (Cohen 1968, Weighted Kappa);
    written with the scores themselves it needs no classes, so expected scores are not rounded.
    None if both give all edits one and the same score.
    """
    observed = np.square(x - y).mean()
    expected = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    return float(1 - observed / expected) if expected > resampled.NOTHING else None


def alpha(rows: Sequence[Floats] | Floats) -> float | None:
    """Krippendorff's alpha, interval metric, of raters' scores (raters, edits); NaN is no score.

    1 - observed / expected disagreement, both mean squared differences: of two scores of one edit,
    and of any two scores (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, section
    D). For squared differences both sums reduce to variances, so that scores need not be counted as
    classes. None if nothing varies, or no edit has two scores.
    """
    table = np.asarray(rows, float)
    table = table[:, (~np.isnan(table)).sum(axis=0) > 1]
    if table.size == 0:
        return None
    count = (~np.isnan(table)).sum(axis=0)
    # An edit with m scores weighs as m of them: sum over its pairs / (m - 1) = 2 m variance.
    observed = float((count * np.nanvar(table, axis=0, ddof=1)).sum() / count.sum())
    expected = float(np.nanvar(table, ddof=1))
    return 1 - observed / expected if expected > resampled.NOTHING else None


def alpha_of_all(ratings: Ratings, clusters: Mapping[str, str]) -> Alpha | None:
    """Krippendorff's alpha of all raters over every edit that two or more of them scored.

    ``clusters`` is the source image of each sample by id. None with fewer than two raters.
    """
    count: dict[Key, int] = {}
    for scores in ratings.values():
        for key in scores:
            count[key] = count.get(key, 0) + 1
    keys = [key for key, raters in count.items() if raters > 1]
    if len(ratings) < 2:
        return None
    if not keys:
        return Alpha(0, 0, None, None, None)
    table = np.array([[scores.get(key, np.nan) for key in keys] for scores in ratings.values()])
    images = [clusters[key[1]] for key in keys]
    band = _Bands(images)(alpha, resampled.alpha, table)
    return Alpha(len(keys), len(set(images)), alpha(table), *band)


def repeats(ratings: Ratings) -> Repeats:
    """The raters of ``ratings`` taken as repeats of one judge.

    Of the :func:`~edit_benchmark.stats.components.variances` within and between edits that all
    repeats scored. Reliability is the share of the latter in their sum (Shrout and Fleiss 1979,
    Intraclass Correlations, case 1).
    """
    names = tuple(ratings)
    first, *others = ratings.values()
    keys = [key for key in first if all(key in scores for scores in others)]
    if len(keys) < 2 or not others:
        return Repeats(names, len(keys))
    table = [[scores[key] for scores in ratings.values()] for key in keys]
    within, between = variances(table)
    assert within is not None
    assert between is not None
    noise_std, sample_std = components(table)
    varies = within + between > resampled.NOTHING
    reliability = between / (within + between) if varies else None
    return Repeats(names, len(keys), noise_std, sample_std, reliability)
