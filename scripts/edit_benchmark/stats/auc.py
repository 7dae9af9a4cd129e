"""The area under the ROC curve, with its bootstrap interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edit_benchmark.stats.estimates import RESAMPLES, SEED, Floats, interval


def auc(
    values: Floats, others: Floats, clusters: Sequence[str]
) -> tuple[float, float | None, float | None]:
    """Probability that one of ``values`` is above one of ``others``, ties counted half.

    This is the area under the ROC curve, and the Mann-Whitney statistic over all n x n pairs
    (Hanley and McNeil 1982, The Meaning and Use of the Area under a ROC Curve). The interval comes
    from drawing clusters with replacement, each of ``values`` together with its counterpart.

    Parameters
    ----------
    values, others
        Scores of two versions of the same n samples, both of shape (n,), none missing, n at least
        1.
    clusters
        The n hashes of the samples' source images.

    Returns
    -------
    tuple
        The area, 0 to 1, and the two ends of its interval, None with fewer than two clusters.
    """
    above = (values[:, None] > others[None, :]) + 0.5 * (values[:, None] == others[None, :])
    _, member = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    indicator = np.eye(int(member.max()) + 1)[member]  # (n, clusters)
    sums = indicator.T @ above @ indicator
    sizes = indicator.sum(axis=0)
    count = len(sizes)
    rng = np.random.default_rng(SEED)
    weights = rng.multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(float)
    resampled = np.einsum("bi,ij,bj->b", weights, sums, weights) / (weights @ sizes) ** 2
    low, high = interval(resampled, count)
    return float(above.mean()), low, high
