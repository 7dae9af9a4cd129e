"""Abilities of models from pairs: Bradley-Terry with ties, with intervals over source images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edit_benchmark.official.davidson import LOG_NU, Array, Comparisons, fit
from edit_benchmark.stats.estimates import NO_INTERVAL, Interval, draws_in_parts, interval

_RESAMPLES = 999
# The places of two models, the smaller one first.
Models = tuple[int, int]
# What of (theta_i, theta_j, log 2 nu) adds up to the log odds of a win of i, one of j, and a tie.
_FEATURES = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 1.0]])
# Newton's method: steps at most, how close the last two are, and what keeps a question without ties
# solvable.
_STEPS, _CLOSE, _LEAST = 100, 1e-6, 1e-9


@dataclass(frozen=True, slots=True)
class Compared:
    """One pair: the share of the win of model ``a`` (1, 0.5 or 0), and the cluster it is of."""

    a: str
    b: str
    win: float
    cluster: str


@dataclass(frozen=True)
class Strengths:
    """The models' abilities.

    Attributes
    ----------
    theta, intervals
        Log odds by model, their mean 0, and their 95 % intervals; none with fewer than two
        clusters.
    ties
        Davidson's nu of each question, see :mod:`edit_benchmark.official.davidson`.
    """

    theta: dict[str, float]
    intervals: dict[str, Interval]
    ties: dict[str, float]


def strengths(questions: Mapping[str, Sequence[Compared]]) -> Strengths:
    """Fit abilities that all questions share, each with a tie propensity of its own.

    The fit is that of :func:`edit_benchmark.official.davidson.fit`, shrunk towards the models'
    mean; its penalty keeps the abilities of models finite that won or lost every pair. Intervals
    are of bootstrap samples that draw clusters, with all their pairs and questions.

    Parameters
    ----------
    questions
        By name the pairs, at least one of them; none of a model with itself.

    Raises
    ------
    ValueError
        If the fit does not converge.
    """
    pairs = [pair for found in questions.values() for pair in found]
    models = sorted({name for pair in pairs for name in (pair.a, pair.b)})
    names = sorted({pair.cluster for pair in pairs})
    counts = [_counts(found, models, names) for found in questions.values()]
    theta, ties = fit([_whole(tables, len(models)) for tables in counts], last_is_zero=False)
    spans = dict.fromkeys(models, NO_INTERVAL)
    if len(names) > 1:
        drawn = _resampled(_drawn(counts, len(names)), theta, ties)
        spans = {model: interval(drawn[:, place], len(names)) for place, model in enumerate(models)}
    return Strengths(
        dict(zip(models, theta.tolist(), strict=True)),
        spans,
        dict(zip(questions, ties.tolist(), strict=True)),
    )


def _counts(
    pairs: Sequence[Compared], models: Sequence[str], clusters: Sequence[str]
) -> dict[Models, NDArray[np.uint32]]:
    """Of each two models that were compared the wins of either and the ties, by cluster.

    Each table has shape (clusters, 3).
    """
    place = {name: number for number, name in enumerate(models)}
    row = {name: number for number, name in enumerate(clusters)}
    tables: dict[Models, NDArray[np.uint32]] = {}
    for pair in pairs:
        a, b = place[pair.a], place[pair.b]
        both = (min(a, b), max(a, b))
        if both not in tables:
            tables[both] = np.zeros((len(clusters), 3), np.uint32)
        won = a if pair.win > 0.5 else b
        tables[both][row[pair.cluster], 2 if pair.win == 0.5 else both.index(won)] += 1
    return dict(sorted(tables.items()))


def _whole(tables: Mapping[Models, NDArray[np.uint32]], models: int) -> Comparisons:
    """The wins and ties of all clusters, a row and a column for each model."""
    wins, ties = np.zeros((2, models, models))
    for (i, j), table in tables.items():
        wins[i, j], wins[j, i], tied = table.sum(axis=0)
        ties[i, j] = ties[j, i] = tied / 2
    return Comparisons(wins, ties)


def _drawn(
    counts: Sequence[Mapping[Models, NDArray[np.uint32]]], clusters: int
) -> list[dict[Models, Array]]:
    """The same counts in bootstrap samples that draw clusters, each of shape (samples, 3)."""
    found = [{both: np.empty((_RESAMPLES, 3)) for both in tables} for tables in counts]
    start = 0
    for part in draws_in_parts(clusters, _RESAMPLES):
        weights = part.astype(float)
        for drawn, tables in zip(found, counts, strict=True):
            for both, table in tables.items():
                drawn[both][start : start + len(part)] = weights @ table.astype(float)
        start += len(part)
    return found


def _resampled(drawn: Sequence[Mapping[Models, Array]], theta: Array, ties: Array) -> Array:
    """The abilities of bootstrap samples, of shape (samples, models).

    The maximum of the same likelihood as of :func:`fit`, of all samples at once, by Newton's method
    from the abilities of the whole.

    Parameters
    ----------
    drawn
        Wins and ties of each question, as of :func:`_drawn`.
    theta, ties
        Abilities and nu of the whole.
    """
    models, samples = len(theta), _RESAMPLES
    # log(2 nu) of each question stands behind the abilities.
    found = np.tile(np.append(theta, np.log(2 * ties)), (samples, 1))
    seen = [
        (i, j, models + number, observed)
        for number, tables in enumerate(drawn)
        for (i, j), observed in tables.items()
    ]
    totals = np.zeros((samples, len(drawn)))
    for _, _, question, observed in seen:
        totals[:, question - models] += observed.sum(axis=1)
    means = totals.sum(axis=1) / np.maximum(1, (totals > 0).sum(axis=1))
    scale = means[:, None] / np.where(totals > 0, totals, np.inf)
    ridge = np.append(np.ones(models), np.full(len(drawn), _LEAST))
    for _ in range(_STEPS):
        # The penalty is of the abilities alone.
        slope = found * np.where(np.arange(found.shape[1]) < models, ridge, 0)
        curvature = np.tile(np.diag(ridge), (samples, 1, 1))
        for i, j, question, observed in seen:
            places = [i, j, question]
            logits = found[:, places] @ _FEATURES.T
            chances = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
            chances *= observed.sum(axis=1, keepdims=True)
            weight = scale[:, question - models, None]
            slope[:, places] += weight * (chances - observed) @ _FEATURES
            expected = chances @ _FEATURES
            total = np.maximum(observed.sum(axis=1), 1)[:, None, None]
            spread = np.einsum("ro,oa,ob->rab", chances, _FEATURES, _FEATURES)
            spread -= expected[:, :, None] * expected[:, None, :] / total
            curvature[np.ix_(range(samples), places, places)] += weight[:, :, None] * spread
        step = np.linalg.solve(curvature, slope[:, :, None])[:, :, 0].clip(-2, 2)
        moved = found - step
        moved[:, models:] = moved[:, models:].clip(*LOG_NU)
        is_done = np.abs(moved - found).max() < _CLOSE
        found = moved
        if is_done:
            return found[:, :models] - found[:, :models].mean(axis=1, keepdims=True)
    raise ValueError("the abilities of resampled models cannot be fitted")
