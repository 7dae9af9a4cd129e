"""Do judges agree: with one another, with themselves, with people?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from edit_benchmark.stats.estimates import Floats

#: The rater that stands for the scores of the benchmark file.
HUMAN = "human"


@dataclass(frozen=True)
class Agreement:
    """Two raters on the edits that both scored; coefficients that do not exist are None.

    Attributes
    ----------
    n
        Edits (sample and model) scored by both.
    difference
        Mean of a - b in points: a judge may order as another does and yet be stricter.
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
    difference: float | None = None
    spearman: float | None = None
    kendall: float | None = None
    kappa: float | None = None
    alpha: float | None = None


@dataclass(frozen=True)
class Repeats:
    """How much of the scores' variance is one judge's own noise, from its repeats.

    Attributes
    ----------
    judges
        Names of the judges that are the same judge.
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


Ratings = Mapping[str, Mapping[tuple[str, str], float]]


def pairs(ratings: Ratings) -> list[Agreement]:
    """Each two raters; ``ratings`` has for each rater its scores by (model, sample id)."""
    rows = []
    for a, b in combinations(ratings, 2):
        both = [key for key in ratings[a] if key in ratings[b]]
        x = np.array([ratings[a][key] for key in both])
        y = np.array([ratings[b][key] for key in both])
        if len(both) < 2:
            rows.append(Agreement(a, b, len(both)))
            continue
        # Against a rater who gives everything the same score there is no correlation.
        vary = bool(np.ptp(x) > 0 and np.ptp(y) > 0)
        rows.append(
            Agreement(
                a,
                b,
                len(both),
                difference=float((x - y).mean()),
                spearman=float(stats.spearmanr(x, y).statistic) if vary else None,
                kendall=float(stats.kendalltau(x, y).statistic) if vary else None,
                kappa=quadratic_kappa(x, y),
                alpha=alpha([x, y]),
            )
        )
    return rows


def quadratic_kappa(x: Floats, y: Floats) -> float | None:
    """Cohen's kappa with quadratic weights for the n scores of two raters.

    1 - sum(w observed) / sum(w expected) with w = (score - score)^2 (Cohen 1968, Weighted Kappa);
    written with the scores themselves it needs no classes, so expected scores are not rounded.
    None if both give all edits one and the same score.
    """
    observed = np.square(x - y).mean()
    expected = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    return float(1 - observed / expected) if expected > 0 else None


def alpha(rows: Sequence[Floats]) -> float | None:
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
    return 1 - observed / expected if expected > 0 else None


def alpha_of_all(ratings: Ratings) -> float | None:
    """Krippendorff's alpha of all raters over every edit that any of them scored."""
    keys = list(dict.fromkeys(key for scores in ratings.values() for key in scores))
    if len(ratings) < 2 or not keys:
        return None
    return alpha(
        [np.array([scores.get(key, np.nan) for key in keys]) for scores in ratings.values()]
    )


def repeats(ratings: Ratings) -> Repeats:
    """The raters of ``ratings`` taken as repeats of one judge.

    One-way random-effects analysis of variance over edits scored by all k repeats (Shrout and
    Fleiss 1979, Intraclass Correlations, case 1): noise variance is the mean square within edits
    MSW, the edits' variance (MSB - MSW) / k, at least 0, and reliability
    (MSB - MSW) / (MSB + (k - 1) MSW).
    """
    names = tuple(ratings)
    first, *others = ratings.values()
    keys = [key for key in first if all(key in scores for scores in others)]
    if len(keys) < 2 or not others:
        return Repeats(names, len(keys))
    table = np.array([[scores[key] for scores in ratings.values()] for key in keys])
    count = table.shape[1]
    within = float(table.var(axis=1, ddof=1).mean())
    between = float(count * table.mean(axis=1).var(ddof=1))
    whole = between + (count - 1) * within
    return Repeats(
        names,
        len(keys),
        noise_std=within**0.5,
        sample_std=max(0.0, (between - within) / count) ** 0.5,
        reliability=(between - within) / whole if whole > 0 else None,
    )
