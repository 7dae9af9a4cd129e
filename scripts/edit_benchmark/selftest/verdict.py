"""Self-test of a judge: does it tell edits from broken ones, and does it repeat itself?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np

from edit_benchmark.errors import SampleError
from edit_benchmark.judging.registry import Answer, Case
from edit_benchmark.judging.rubrics import overall
from edit_benchmark.records import Sample
from edit_benchmark.selftest import probes
from edit_benchmark.stats.estimates import RESAMPLES, SEED, Floats, estimate, interval

Asker = Callable[[Sequence[Case]], Sequence[Answer | SampleError]]

#: Probability that the judge puts on the scale's labels: the least mean.
LEAST_MASS = 0.5
#: Share of the edits that the judge has to have a score for.
LEAST_ANSWERED = 0.9
#: Area under the ROC curve: the least for what nobody could miss, and for the rest.
LEAST_AUC = {"black": 0.9, "noise": 0.9, "source": 0.7, "swapped": 0.7}
#: Mean change of a score in points: the most when the same is asked again, and after a change that
#: no person would see.
MOST_CHANGE = {"repeated": 0.05, "reordered": 0.05, "jpeg": 0.5, "resized": 0.5}
#: Failing one of these fails the judge; failing another leaves doubts.
ESSENTIAL = frozenset({"answers", "on_scale", "black", "noise", "repeated", "reordered"})
#: With fewer edits nothing is said for sure.
FEW = 10

PASSES, DOUBTFUL, FAILS = "passes", "doubtful", "fails"
#: There was nothing to test with.
UNTESTED = "untested"


@dataclass(frozen=True)
class Check:
    """One question to the judge's scores.

    Attributes
    ----------
    name
        ``answers``, ``on_scale``, or the probe.
    measure
        ``share`` or ``mass`` (0 to 1), ``auc`` (0 to 1), ``change`` (mean, in points).
    n
        Edits behind the value.
    value, low, high
        The value and its 95 % bootstrap interval over source pictures, where there is one.
    limit
        The least (share, mass, auc) or most (change) that passes. An AUC's interval has to lie
        above 0.5, too.
    passed
        None where it cannot be said: the edits are their sources, or too few have a score.
    """

    name: str
    measure: str
    n: int
    limit: float
    value: float | None = None
    low: float | None = None
    high: float | None = None
    passed: bool | None = None


def run(judge: Asker, cases: Sequence[Case], others: Sequence[Sample | None]) -> dict[str, Any]:
    """Ask about ``cases`` and all their probes, and say what the answers are worth.

    Parameters
    ----------
    judge
        Gives an answer to each of the cases, in their order.
    cases
        Edits with their sources, at least one.
    others
        For each case the sample whose instruction it is probed with, None where there is none.

    Returns
    -------
    dict
        ``verdict`` (passes, doubtful, fails), ``checks`` (fields of :class:`Check`), ``n`` edits,
        ``asked`` questions about a picture.
    """
    clusters = [case.sample.source_sha256 for case in cases]
    base = judge(cases)
    scores = _scores(base)
    answered = float(np.mean(~np.isnan(scores)))
    checks = [
        Check("answers", "share", len(cases), LEAST_ANSWERED, answered,
              passed=answered >= LEAST_ANSWERED),
    ]  # fmt: skip
    masses = [mass for answer in base for mass in _masses(answer)]
    if masses:
        mean = fmean(masses)
        checks.append(
            Check("on_scale", "mass", len(cases), LEAST_MASS, mean, passed=mean >= LEAST_MASS)
        )
    asked = len(cases)
    for name, change in probes.BROKEN.items():
        found = _scores(judge([change(case) for case in cases]))
        asked += len(cases)
        same = name == "source" and all(
            case.source.size == case.edited.size and case.source.tobytes() == case.edited.tobytes()
            for case in cases
        )
        checks.append(_told_apart(name, scores, found, clusters, tellable=not same))
    pairs = [(row, other) for row, other in enumerate(others) if other is not None]
    found = np.full(len(cases), np.nan)
    found[[row for row, _ in pairs]] = _scores(
        judge([probes.swapped(cases[row], other) for row, other in pairs])
    )
    asked += len(pairs)
    checks.append(_told_apart("swapped", scores, found, clusters, tellable=True))
    again = {"repeated": _scores(judge(cases)), "reordered": _scores(judge(cases[::-1]))[::-1]}
    for name, change in probes.HARMLESS.items():
        again[name] = _scores(judge([change(case) for case in cases]))
    checks += [_moved(name, scores, found, clusters) for name, found in again.items()]
    asked += len(again) * len(cases)
    return {
        "verdict": verdict(checks),
        "n": len(cases),
        "asked": asked,
        "checks": [asdict(check) for check in checks],
    }


def verdict(checks: Sequence[Check]) -> str:
    """Fails if an essential check fails; doubtful if another does, or cannot be said."""
    if any(check.passed is False and check.name in ESSENTIAL for check in checks):
        return FAILS
    # Edits that are their sources cannot be told from them by anyone: that says nothing.
    certain = [check for check in checks if check.name != "source" or check.value is not None]
    return PASSES if all(check.passed for check in certain) else DOUBTFUL


def _scores(answers: Sequence[Answer | SampleError]) -> Floats:
    """A score for each answer, NaN where there is none."""
    values = [
        overall(answer.criteria) if isinstance(answer, Answer) else None for answer in answers
    ]
    return np.array([np.nan if value is None else value for value in values])


def _masses(answer: Answer | SampleError) -> list[float]:
    if isinstance(answer, SampleError):
        return []
    found = [entry.get("mass") for entry in answer.details.values() if isinstance(entry, Mapping)]
    return [mass for mass in found if mass is not None]


def _told_apart(
    name: str, edits: Floats, broken: Floats, clusters: Sequence[str], *, tellable: bool
) -> Check:
    limit = LEAST_AUC[name]
    both = ~np.isnan(edits) & ~np.isnan(broken)
    n = int(both.sum())
    if not tellable or n == 0:
        return Check(name, "auc", n, limit)
    kept = [cluster for cluster, there in zip(clusters, both, strict=True) if there]
    value, low, high = auc(edits[both], broken[both], kept)
    passed = None if n < FEW or low is None else bool(value >= limit and low > 0.5)
    return Check(name, "auc", n, limit, value, low, high, passed)


def auc(
    edits: Floats, broken: Floats, clusters: Sequence[str]
) -> tuple[float, float | None, float | None]:
    """Probability that an edit scores higher than a broken one, ties half, with its interval.

    The area under the ROC curve, which is the Mann-Whitney statistic over all n x n pairs (Hanley
    and McNeil 1982, The Meaning and Use of the Area under a ROC Curve). The interval draws source
    pictures with replacement, an edit and its broken version together.
    """
    above = (edits[:, None] > broken[None, :]) + 0.5 * (edits[:, None] == broken[None, :])
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


def _moved(name: str, first: Floats, second: Floats, clusters: Sequence[str]) -> Check:
    limit = MOST_CHANGE[name]
    both = ~np.isnan(first) & ~np.isnan(second)
    kept = [cluster for cluster, there in zip(clusters, both, strict=True) if there]
    found = estimate(np.abs(first[both] - second[both]).tolist(), kept)
    passed = None if found.mean is None or found.n < FEW else found.mean <= limit
    return Check(name, "change", found.n, limit, found.mean, found.low, found.high, passed)


_SENTENCES = {
    "answers": "has a score for {value:.0%} of the edits",
    "on_scale": "puts {value:.1%} of its probability on the scale",
    "black": "an edit scores above a black picture: AUC {value:.2f}{interval}",
    "noise": "an edit scores above noise: AUC {value:.2f}{interval}",
    "source": "an edit scores above its untouched source: AUC {value:.2f}{interval}",
    "swapped": "the right instruction scores above another one: AUC {value:.2f}{interval}",
    "repeated": "asked twice, scores move by {value:.3f} points{interval}",
    "reordered": "in another order, scores move by {value:.3f} points{interval}",
    "jpeg": "after JPEG, scores move by {value:.3f} points{interval}",
    "resized": "a pixel larger, scores move by {value:.3f} points{interval}",
}
_MARKS = {True: "ok     ", False: "FAILED ", None: "unclear"}


def lines(record: Mapping[str, Any]) -> list[str]:
    """The record of a self-test for a terminal: the verdict, then a line a check."""
    found = [
        f"self-test of {record['judge']} on {record['n']} edits of {record['model']}: "
        f"{record['verdict'].upper()}"
    ]
    for check in record["checks"]:
        if check["value"] is None:
            text = f"{check['name']}: cannot be said"
        else:
            low, high = check["low"], check["high"]
            interval = "" if low is None else f" [{low:.2f}, {high:.2f}]"
            text = _SENTENCES[check["name"]].format(value=check["value"], interval=interval)
        relation = "at most" if check["measure"] == "change" else "at least"
        found.append(f"  {_MARKS[check['passed']]} {text} ({relation} {check['limit']:g})")
    return found
