"""What varies: samples among one another, and the repeats of one sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def variances(groups: Sequence[Sequence[float]]) -> tuple[float | None, float | None]:
    """Variances within groups and between them: of repeats, and of samples.

    One-way random-effects analysis of variance (Searle, Casella and McCulloch 1992, Variance
    Components, section 3.6, for groups of unequal size): the variance within is the mean square
    within MSW, that between (MSB - MSW) / n0, by chance below 0, with
    n0 = (N - sum n_i^2 / N) / (a - 1) for a groups of sizes n_i, N in all.

    Parameters
    ----------
    groups
        The values of each group; empty ones are passed over.

    Returns
    -------
    tuple
        Of the repeats, None if no group has two values; of the samples, None with fewer than two
        groups, or without the first.
    """
    parts = [np.asarray(group, float) for group in groups if len(group)]
    sizes = np.array([len(part) for part in parts])
    count, total = len(parts), int(sizes.sum()) if parts else 0
    if total == count:
        return None, None
    within = sum(float(np.square(part - part.mean()).sum()) for part in parts) / (total - count)
    if count < 2:
        return within, None
    means = np.array([part.mean() for part in parts])
    grand = float((sizes * means).sum() / total)
    between = float((sizes * np.square(means - grand)).sum()) / (count - 1)
    size = (total - float(np.square(sizes).sum()) / total) / (count - 1)
    return within, (between - within) / size


def components(groups: Sequence[Sequence[float]]) -> tuple[float | None, float | None]:
    """The standard deviations of :func:`variances`; a variance below 0 is none."""
    within, between = variances(groups)
    return (
        None if within is None else within**0.5,
        None if between is None else max(0.0, between) ** 0.5,
    )
