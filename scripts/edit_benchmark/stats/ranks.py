"""Places of models, with the places that each may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from edit_benchmark.stats.estimates import LEVEL, Floats, cluster_sums
from edit_benchmark.stats.permutation import TIE, permutation_p


@dataclass(frozen=True)
class Rank:
    """A model's place by mean score, 1 the best, over the samples scored for every model.

    Attributes
    ----------
    rank, low, high
        The place, and the places that it may have, see :func:`ranks`. None for a model without
        shared samples.
    mean
        Over the shared samples.
    """

    model: str
    n: int
    rank: int | None
    low: int | None
    high: int | None
    mean: float | None


def ranks(scores: Mapping[str, Mapping[str, float]], clusters: Mapping[str, str]) -> list[Rank]:
    """Places of the models, best first, with the places that each may have.

    Only samples scored for every model count; models without any score have no place and take none.
    Equal means share the better place. A model's lowest possible place number is one more than the
    models that are better by the test of :func:`permutation_p` at level (1 - LEVEL) / (models - 1),
    its highest the number of models less those that are worse: a confidence set for its place at
    LEVEL (Mogstad, Romano, Shaikh and Wilhelm 2024, Inference for Ranks with Applications to
    Mobility across Neighbourhoods and Academic Achievement across Countries, section 3, with
    Bonferroni's correction over the other models). It is one model's: that those of all models hold
    at once is less sure, about 85 % for ten equal ones (simulated: tests/statistics.md).
    """
    models = [model for model in scores if scores[model]]
    shared = [key for key in clusters if all(key in scores[model] for model in models)]
    unplaced = [model for model in scores if model not in models or not shared]
    rows: list[Rank] = []
    if shared and models:
        table = np.array([[scores[model][key] for model in models] for key in shared])
        sums, _ = cluster_sums(table, [clusters[key] for key in shared])
        means = table.mean(axis=0)
        rounded = np.round(means, 9)
        places = 1 + (rounded > rounded[:, None]).sum(axis=1)
        better, worse = _significant(sums, means)
        rows = [
            Rank(
                model,
                len(shared),
                int(places[k]),
                1 + int(better[k]),
                len(models) - int(worse[k]),
                float(means[k]),
            )
            for k, model in enumerate(models)
        ]
    rows.sort(key=lambda row: row.rank or 0)
    return rows + [Rank(model, 0, None, None, None, None) for model in unplaced]


def _significant(sums: Floats, means: Floats) -> tuple[Floats, Floats]:
    """For each model the models that are better, and worse, by a corrected test; shape (models,).

    ``sums`` are the clusters' sums of scores, (clusters, models), ``means`` the models' means.
    """
    count = len(means)
    better, worse = np.zeros(count), np.zeros(count)
    for j, k in combinations(range(count), 2):
        difference = sums[:, j] - sums[:, k]
        difference[np.abs(difference) < TIE] = 0.0
        p = permutation_p(difference)
        if p is not None and p * (count - 1) <= 1 - LEVEL:
            above, below = (j, k) if means[j] > means[k] else (k, j)
            worse[above] += 1
            better[below] += 1
    return better, worse
