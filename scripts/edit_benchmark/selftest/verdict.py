"""Self-test of a judge: does it tell edits from broken ones, and does it repeat itself?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edit_benchmark.errors import SampleError
from edit_benchmark.judging.judge import Answer, Case
from edit_benchmark.judging.rubrics import overall
from edit_benchmark.records import Sample
from edit_benchmark.selftest.probes import AT_MOST, BY_NAME, PROBES, REPEATED, Change, Probe
from edit_benchmark.stats.auc import auc, win_rate
from edit_benchmark.stats.estimates import HIGHEST, LOWEST, Floats, estimate

#: Asks the judge: an answer for each case, in their order.
Ask = Callable[[Sequence[Case]], Sequence[Answer | SampleError]]

#: With fewer edits nothing is said for sure.
FEW = 10

PASSES, DOUBTFUL, FAILS = "passes", "doubtful", "fails"
#: There was nothing to test with.
UNTESTED = "untested"


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


@dataclass(frozen=True)
class _Probed:
    """The judge's scores of the changed edits.

    ``scores`` are (n,), NaN where there is none; ``asked`` is how many cases the judge was asked
    about; ``differs`` (n,) is False where the changed image is the same one.
    """

    scores: Floats
    asked: int
    differs: NDArray[np.bool_]


def run(ask: Ask, cases: Sequence[Case], others: Sequence[Sample | None]) -> dict[str, Any]:
    """Ask about ``cases`` and all their probes, and say what the answers are worth.

    Parameters
    ----------
    ask
        Gives an answer to each of the cases, in their order.
    cases
        Edits with their sources, at least one.
    others
        For each case the sample whose instruction it is probed with, None where there is none.

    Returns
    -------
    dict
        ``verdict`` (passes, doubtful, fails), ``checks`` (fields of :class:`Check`), ``n`` edits,
        ``asked`` questions about an image.
    """
    clusters = [case.sample.source_sha256 for case in cases]
    answers = ask(cases)
    scores = _scores(answers)
    asked = len(cases)
    checks = []
    for probe in PROBES:
        if probe.change is not None:
            probed = _probe(probe, probe.change, ask, cases, others)
            asked += probed.asked
            compared = scores
            if probe.against is not None:
                against = _probe(probe, probe.against, ask, cases, others)
                asked += against.asked
                compared = against.scores
            compare = _above_check if probe.measure in ("auc", "wins") else _change_check
            checks.append(compare(probe, compared, probed, clusters))
        elif probe.measure == "share":
            checks.append(_at_least(probe, len(cases), float(np.mean(~np.isnan(scores)))))
        elif masses := [mass for answer in answers for mass in _masses(answer)]:
            checks.append(_at_least(probe, len(cases), fmean(masses)))
    return {
        "verdict": verdict(checks),
        "n": len(cases),
        "asked": asked,
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


def _probe(
    probe: Probe,
    change: Change,
    ask: Ask,
    cases: Sequence[Case],
    others: Sequence[Sample | None],
) -> _Probed:
    """Ask the judge about all of ``cases`` that can be changed, once they are."""
    pairs = zip(cases, others, strict=True)
    changed = [
        (row, result)
        for row, (case, other) in enumerate(pairs)
        if (result := change(case, other)) is not None
    ]
    if probe.reverse:
        changed.reverse()
    scores = np.full(len(cases), np.nan)
    scores[[row for row, _ in changed]] = _scores(ask([result for _, result in changed]))
    differs = np.zeros(len(cases), bool)
    for row, result in changed:
        differs[row] = not _same_pixels(cases[row].edited, result.edited)
    return _Probed(scores, len(changed), differs)


def _same_pixels(image: Image.Image, other: Image.Image) -> bool:
    return image.size == other.size and image.tobytes() == other.tobytes()


def _scores(answers: Sequence[Answer | SampleError]) -> Floats:
    """A score for each answer, NaN where there is none."""
    values = [
        overall(answer.criteria) if isinstance(answer, Answer) else None for answer in answers
    ]
    return np.array([np.nan if value is None else value for value in values])


def _masses(answer: Answer | SampleError) -> list[float]:
    """The probability on the scale's labels for each criterion; empty of a judge without any."""
    if isinstance(answer, SampleError):
        return []
    masses = [entry.get("mass") for entry in answer.details.values() if isinstance(entry, Mapping)]
    return [mass for mass in masses if mass is not None]


def _at_least(probe: Probe, n: int, value: float) -> Check:
    return Check(probe.name, probe.measure, n, probe.limit, value, passed=value >= probe.limit)


def _above_check(probe: Probe, scores: Floats, probed: _Probed, clusters: Sequence[str]) -> Check:
    """Whether edits score above what the probe made of them."""
    if probe.needs_difference:
        scores = np.where(probed.differs, scores, np.nan)
    present, kept = _with_both(scores, probed.scores, clusters)
    n = int(present.sum())
    if n == 0:
        return Check(probe.name, probe.measure, n, probe.limit)
    pairs = scores[present], probed.scores[present]
    area = auc(*pairs, kept, REPEATED)
    value, low, high = area if probe.measure == "auc" else win_rate(*pairs, kept, REPEATED)
    passed = None if n < FEW or low is None else bool(value >= probe.limit and low > 0.5)
    check = Check(probe.name, probe.measure, n, probe.limit, value, low, high, passed)
    if probe.measure == "auc":
        return check
    return replace(check, auc=area[0], auc_low=area[1], auc_high=area[2])


def _change_check(probe: Probe, scores: Floats, probed: _Probed, clusters: Sequence[str]) -> Check:
    """How far the probe moves the scores of edits."""
    present, kept = _with_both(scores, probed.scores, clusters)
    moves = probed.scores[present] - scores[present]
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
