"""Sign-flip tests of paired differences, and Holm's correction for many of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edit_benchmark.stats.estimates import SEED, Floats

#: Scores nearer than this differ by rounding alone.
TIE = 1e-9
#: With fewer source images a sign-flip test cannot reach p < 0.05: 2 / 2**5 is 0.0625.
SMALLEST_TESTED = 6
#: Sign flips of a test that cannot try all: with 253 pairs of models in six scopes Holm's
#: correction multiplies the smallest p value, 1 / 100,000, by 1,518.
FLIPS = 99_999
#: With more clusters, whose flips would fill gigabytes, not all of them are flipped.
MANY = 1000
#: So many are then, those with the largest sums.
LARGEST = 250
# Flips are multiplied so many at a time.
_FLIPS_AT_ONCE = 20_000


def permutation_p(sums: Floats) -> float | None:
    """Two-sided p value that a and b could change places in every cluster.

    ``sums`` (clusters,) are the clusters' sums of differences. If the models do not differ, a
    cluster's sum is as likely as its negative: the signs are flipped in all ways, or at random, and
    then the data themselves count as one more flip (Phipson and Smyth 2010, Permutation P-values
    Should Never Be Zero). None with fewer than two clusters; with k of them no value is below
    2 / 2**k. The test takes a cluster's sum to be distributed symmetrically if there is no
    difference, as sign-flip tests do; it is exact then, and a test of the mean in large samples.

    With more than :data:`MANY` clusters only the :data:`LARGEST` with the largest sums are flipped,
    and the others' flipped sum is drawn from the normal law of its variance. That moves the excess
    kurtosis of the whole by at most 1 / (2 LARGEST), whatever the sums are.
    """
    if len(sums) < 2:
        return None
    # As in scipy.stats.permutation_test: sums that are equal but for rounding count as equal.
    observed = abs(float(sums.sum())) * (1 - 1e-12) - 1e-12
    spread = 0.0
    if len(sums) > MANY:
        sums = sums[np.argsort(-np.abs(sums), kind="stable")]
        spread, sums = float(np.linalg.norm(sums[LARGEST:])), sums[:LARGEST]
    signs = _flips(len(sums))
    generator = np.random.default_rng([SEED, 1])  # not the stream of the signs
    hits = 0
    for start in range(0, len(signs), _FLIPS_AT_ONCE):
        flipped = signs[start : start + _FLIPS_AT_ONCE].astype(float) @ sums
        if spread:
            flipped += spread * generator.standard_normal(len(flipped))
        hits += int((np.abs(flipped) >= observed).sum())
    exact = len(signs) == 2 ** len(sums)
    return hits / len(signs) if exact else (hits + 1) / (len(signs) + 1)


@lru_cache(maxsize=4)
def _flips(clusters: int) -> NDArray[np.int8]:
    """Signs of the clusters: all combinations if they are at most FLIPS, else so many drawn."""
    if 2**clusters <= FLIPS:
        numbers = np.arange(2**clusters)[:, None]
        bits = (numbers >> np.arange(clusters)[::-1]) & 1
        return (1 - 2 * bits).astype(np.int8)
    drawn = np.random.default_rng(SEED).integers(0, 2, (FLIPS, clusters), dtype=np.int8)
    return 2 * drawn - 1


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
