"""The verdict on a judge: does it tell edits from broken ones, and does it repeat itself?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edit_benchmark.selftest.asking import Answered, Probed
from edit_benchmark.selftest.probes import AT_MOST, BY_NAME, PAIR_PROBES, PROBES, REPEATED, Probe
from edit_benchmark.stats.auc import auc, win_rate
from edit_benchmark.stats.estimates import HIGHEST, LOWEST, Floats, estimate

#: With fewer edits nothing is said for sure.
FEW = 10

PASSES, DOUBTFUL, FAILS = "passes", "doubtful", "fails"
#: There was nothing to test with.
UNTESTED = "untested"

# Of an edit that a probe cannot change.
_NOT_CHANGED = Probed(None, differs=False)


@dataclass(frozen=True)
class Check:
    """The result of one probe.

    Attributes
    ----------
    name, measure, limit
        As in :class:`Probe`.
    n
        Edits behind the value.
    value, low, high
        The value and its 95 % interval over source images, where there is one.
    passed
        Whether the value is within the limit; for ``auc`` and ``wins`` its interval has to lie
        above 0.5, too. None where it cannot be said: the edits are their sources, or too few have a
        score.
    auc, auc_low, auc_high
        For ``wins``, the area under the ROC curve and its interval: nothing is decided by it.
    """

    name: str
    measure: str
    n: int
    limit: float
    value: float | None = None
    low: float | None = None
    high: float | None = None
    passed: bool | None = None
    auc: float | None = None
    auc_low: float | None = None
    auc_high: float | None = None


def judge(rows: Sequence[Answered]) -> dict[str, Any]:
    """Say what a judge's answers are worth.

    Parameters
    ----------
    rows
        What it answered about each edit, in any order.

    Returns
    -------
    dict
        ``verdict`` (passes, doubtful, fails; untested without a row: a report of nothing but
        failures is a report), ``checks`` (fields of :class:`Check`), ``n`` edits, ``asked``
        questions about an image.
    """
    # One order, so that sums do not depend on how the test was divided.
    rows = sorted(rows, key=lambda row: row.place)
    compares = any(probe.name in row.probes for row in rows for probe in PAIR_PROBES)
    probes = PAIR_PROBES if compares else PROBES
    checks = [check for probe in probes if (check := _check(probe, rows))] if rows else []
    return {
        "verdict": verdict(checks) if rows else UNTESTED,
        "n": len(rows),
        "asked": sum(row.asked for row in rows),
        "checks": [asdict(check) for check in checks],
    }


def verdict(checks: Sequence[Check]) -> str:
    """Fails if an essential check fails; doubtful if another does, or cannot be said."""
    if any(check.passed is False and BY_NAME[check.name].essential for check in checks):
        return FAILS
    certain = [
        check
        for check in checks
        if check.value is not None or not BY_NAME[check.name].needs_difference
    ]
    return PASSES if all(check.passed for check in certain) else DOUBTFUL


def _check(probe: Probe, rows: Sequence[Answered]) -> Check | None:
    """What a probe found, None where the judge tells nothing of what it looks at."""
    scores = _floats(row.score for row in rows)
    if probe.measure == "share":
        return _at_least(probe, len(rows), float(np.mean(~np.isnan(scores))))
    if probe.measure == "mass":
        masses = [mass for row in rows for mass in row.masses]
        return _at_least(probe, len(rows), fmean(masses)) if masses else None
    probed = [row.probes.get(probe.name, _NOT_CHANGED) for row in rows]
    if probe.against is not None:
        scores = _floats(one.against for one in probed)
    if probe.needs_difference:
        scores = np.where([one.differs for one in probed], scores, np.nan)
    compare = _above_check if probe.measure in ("auc", "wins") else _change_check
    return compare(
        probe, scores, _floats(one.score for one in probed), [row.cluster for row in rows]
    )


def _floats(scores: Iterable[float | None]) -> Floats:
    """Shape (n,), NaN where there is no score."""
    return np.array([np.nan if score is None else score for score in scores])


def _at_least(probe: Probe, n: int, value: float) -> Check:
    return Check(probe.name, probe.measure, n, probe.limit, value, passed=value >= probe.limit)


def _above_check(probe: Probe, scores: Floats, probed: Floats, clusters: Sequence[str]) -> Check:
    """Whether edits score above what the probe made of them."""
    present, kept = _with_both(scores, probed, clusters)
    n = int(present.sum())
    if n == 0:
        return Check(probe.name, probe.measure, n, probe.limit)
    pairs = scores[present], probed[present]
    area = auc(*pairs, kept, REPEATED)
    value, low, high = area if probe.measure == "auc" else win_rate(*pairs, kept, REPEATED)
    passed = None if n < FEW or low is None else bool(value >= probe.limit and low > 0.5)
    check = Check(probe.name, probe.measure, n, probe.limit, value, low, high, passed)
    if probe.measure == "auc":
        return check
    return replace(check, auc=area[0], auc_low=area[1], auc_high=area[2])


def _change_check(probe: Probe, scores: Floats, probed: Floats, clusters: Sequence[str]) -> Check:
    """How far the probe moves the scores of edits."""
    present, kept = _with_both(scores, probed, clusters)
    moves = probed[present] - scores[present]
    span = HIGHEST - LOWEST
    if probe.measure == "toward":
        change = estimate((moves / 2).tolist(), kept, (-span / 2, span / 2))
    else:
        change = estimate(np.abs(moves).tolist(), kept, (0.0, span))
    passed = None if change.mean is None or change.n < FEW else change.mean <= probe.limit
    return Check(
        probe.name, probe.measure, change.n, probe.limit, change.mean, change.low, change.high,
        passed,
    )  # fmt: skip


def _with_both(
    scores: Floats, probed: Floats, clusters: Sequence[str]
) -> tuple[NDArray[np.bool_], list[str]]:
    """Where both scores are present, booleans of shape (n,), and the clusters of those edits."""
    present = ~np.isnan(scores) & ~np.isnan(probed)
    return present, [cluster for cluster, both in zip(clusters, present, strict=True) if both]


_MARKS = {True: "ok     ", False: "FAILED ", None: "unclear"}


def lines(record: Mapping[str, Any]) -> list[str]:
    """The record of a self-test for a terminal: the verdict, then a line a check."""
    texts = [
        f"self-test of {record['judge']} on {record['n']} edits of {record['model']}: "
        f"{record['verdict'].upper()}"
    ]
    for check in record["checks"]:
        if check["value"] is None:
            text = f"{check['name']}: cannot be said"
        else:
            text = BY_NAME[check["name"]].sentence.format(
                value=check["value"],
                interval=_interval(check["low"], check["high"]),
                auc="" if check["auc"] is None
                else f"{check['auc']:.2f}{_interval(check['auc_low'], check['auc_high'])}",
            )  # fmt: skip
        relation = "at most" if check["measure"] in AT_MOST else "at least"
        texts.append(f"  {_MARKS[check['passed']]} {text} ({relation} {check['limit']:g})")
    return texts


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None else f" [{low:.2f}, {high:.2f}]"
