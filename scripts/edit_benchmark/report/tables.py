"""The report's first tables: every sample's scores, and their summary by category."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, median, pstdev
from typing import TypeVar

from edit_benchmark.categories import label
from edit_benchmark.dataset.chains import first_turn_of
from edit_benchmark.dataset.samples import clusters
from edit_benchmark.judging.rubrics import Scale
from edit_benchmark.records import (
    EDIT_FAILED,
    JUDGE_FAILED,
    SCORED,
    SKIPPED,
    Sample,
    Score,
)
from edit_benchmark.report.per_sample import SampleScore, per_sample
from edit_benchmark.report.rows import (
    DEVICES_MARK,
    EQUAL_MARK,
    FEW_MARK,
    MACRO,
    MICRO,
    NOT_APPLICABLE,
    ScoreRow,
    SummaryRow,
)
from edit_benchmark.report.scales import NO_SCALES, Scales
from edit_benchmark.report.score_tables import groups
from edit_benchmark.stats.components import components
from edit_benchmark.stats.estimates import (
    FEW,
    bounds,
    estimate,
    largest_tie,
    macro_estimate,
)

#: A category is marked if more than this share of at least so many scores are one same number;
#: the share is what a config that does not say has.
EQUAL_SHARE, EQUAL_FROM = 0.5, 10
Rated = TypeVar("Rated", Score, SampleScore)


def score_rows(
    samples: Sequence[Sample], scores: Iterable[Score], criteria: Sequence[str]
) -> Iterator[ScoreRow]:
    """One row a model, judge, sample and repeat, with these criteria of all rubrics."""
    by_id, first = {sample.id: sample for sample in samples}, first_turn_of(samples)
    for row in scores:
        yield _score_row(by_id[row.id], row, criteria, first[row.id].source_sha256)


def _score_row(sample: Sample, row: Score, names: Sequence[str], source_sha256: str) -> ScoreRow:
    given = {
        name: NOT_APPLICABLE if value is None else value for name, value in row.criteria.items()
    }
    return ScoreRow(
        model=row.model,
        judge=row.judge,
        category=row.category,
        category_zh=label(row.category, "zh"),
        id=row.id,
        repeat=row.repeat,
        status=row.status,
        reason=row.reason,
        score=row.score,
        criteria={name: given.get(name) for name in names},
        not_applicable=(
            sum(value is None for value in row.criteria.values()) / len(row.criteria)
            if row.criteria
            else None
        ),
        mass=row.mass,
        flags=";".join(row.flags),
        difficulty=sample.difficulty,
        tags=";".join(sample.tags),
        seed=row.seed,
        key=row.key,
        answer_key=row.answer_key,
        edit_seconds=row.edit_seconds,
        judge_seconds=row.judge_seconds,
        source_sha256=source_sha256,
    )


def summary_rows(
    samples: Sequence[Sample],
    scores: Iterable[Score],
    categories: Sequence[str],
    equal_share: float = EQUAL_SHARE,
    scales: Scales = NO_SCALES,
) -> list[SummaryRow]:
    """One row a model, judge and category, then all samples pooled (micro) and the mean of the
    categories' means (macro).

    Statistics are of samples: the mean of a sample's repeats counts as its score. The macro row has
    no statistics unless every category that has samples has a mean.
    ``equal_share`` (0 to 1) is the share of equal scores from which on a category is marked.
    """
    sources = clusters(samples)
    rows: list[SummaryRow] = []
    for (_, judge), group in groups(scores):
        scale = scales.get(judge, Scale())
        rows += summary_of(group, per_sample(group), categories, sources, equal_share, scale)
    return rows


def summary_of(
    rows: Sequence[Score],
    means: Sequence[SampleScore],
    categories: Sequence[str],
    sources: Mapping[str, str],
    equal_share: float,
    scale: Scale,
) -> list[SummaryRow]:
    """The rows of one model and judge, as of :func:`summary_rows`.

    Parameters
    ----------
    rows, means
        Their scores, and the means of samples.
    sources
        The source image of each sample, by id.
    """
    parts = []
    for category in categories:
        own = [row for row in rows if row.category == category]
        own_means = [row for row in means if row.category == category]
        parts.append(_summary_row(rows[0], category, own, own_means, sources, equal_share, scale))
    # The pooled scores are not marked: what is wrong is in a category.
    micro = _summary_row(rows[0], MICRO, rows, means, sources, 1, scale)
    parts = _with_extremes(parts, scale)
    return [*parts, micro, _macro_row(micro, parts, means, sources, scale)]


def _summary_row(
    of: Score,
    category: str,
    rows: Sequence[Score],
    samples: Sequence[SampleScore],
    sources: Mapping[str, str],
    equal_share: float,
    scale: Scale,
) -> SummaryRow:
    """The row of ``category`` from its scores and samples, of the model and judge of ``of``."""
    counts = Counter(row.status for row in samples)
    scored = _scored(samples)
    values = [value for _, value in scored]
    result = estimate(values, [sources[row.id] for row, _ in scored], scale.ends)
    missing = sum(row.missing for row in samples)
    known = len(samples) - missing
    total = sum((1 - row.missing) * (row.score or 0.0) for row in samples)
    mean = total / known if known else None
    bound_low, bound_high = bounds(mean, known, missing, scale.ends)
    seed_std, sample_std = components([row.repeats for row in samples])
    return SummaryRow(
        model=of.model,
        judge=of.judge,
        category=category,
        n=len(samples),
        scored=counts[SCORED],
        edit_failed=counts[EDIT_FAILED],
        judge_failed=counts[JUDGE_FAILED],
        skipped=counts[SKIPPED],
        coverage=len(values) / len(samples) if samples else None,
        mean=result.mean,
        standard_error=result.standard_error,
        ci95_low=result.low,
        ci95_high=result.high,
        std=result.std,
        median=result.median,
        min=result.minimum,
        max=result.maximum,
        bound_low=bound_low,
        bound_high=bound_high,
        repeats=1 + max((row.repeat for row in rows), default=0),
        repeats_missing=_repeats_missing(rows, samples),
        seed_std=seed_std,
        sample_std=sample_std,
        extreme="",
        marks=";".join(_marks(rows, result.clusters, equal_share)),
    )


def _repeats_missing(rows: Sequence[Score], samples: Sequence[SampleScore]) -> int:
    """Edits without a score of samples that have one."""
    scored = {row.id for row in samples if row.repeats}
    return sum(row.score is None and row.id in scored for row in rows)


def _marks(rows: Sequence[Score], images: int, equal_share: float) -> list[str]:
    """What marks a cell of these edits, whose scored samples are of so many source images."""
    marks = [FEW_MARK] if images < FEW else []
    values = [value for _, value in _scored(rows)]
    if len(values) >= EQUAL_FROM and largest_tie(values) > equal_share:
        marks.append(EQUAL_MARK)
    if len({row.device for row, _ in _scored(rows) if row.device}) > 1:
        marks.append(DEVICES_MARK)
    return marks


def _scored(rows: Iterable[Rated]) -> list[tuple[Rated, float]]:
    return [(row, row.score) for row in rows if row.score is not None]


def _with_extremes(parts: Sequence[SummaryRow], scale: Scale) -> list[SummaryRow]:
    """The rows of the categories, the best and the worst of several different means named."""
    means = [part.mean for part in parts if part.mean is not None]
    if len(means) < 2 or max(means) == min(means):
        return list(parts)
    first, last = ("worst", "best") if scale.is_lower_better else ("best", "worst")
    names = {max(means): first, min(means): last}
    return [
        part if part.mean is None else replace(part, extreme=names.get(part.mean, ""))
        for part in parts
    ]


def _macro_row(
    micro: SummaryRow,
    parts: Sequence[SummaryRow],
    samples: Sequence[SampleScore],
    sources: Mapping[str, str],
    scale: Scale,
) -> SummaryRow:
    """The macro row: counts of the micro row, statistics of the categories' means."""
    filled = [part for part in parts if part.n]
    means = [part.mean for part in filled if part.mean is not None]
    lows = [part.bound_low for part in filled if part.bound_low is not None]
    highs = [part.bound_high for part in filled if part.bound_high is not None]
    marks = [FEW_MARK] if any(FEW_MARK in part.marks for part in filled) else []
    marks += [DEVICES_MARK] if DEVICES_MARK in micro.marks else []
    empty = replace(
        micro,
        category=MACRO,
        mean=None,
        standard_error=None,
        ci95_low=None,
        ci95_high=None,
        std=None,
        median=None,
        min=None,
        max=None,
        bound_low=fmean(lows) if lows else None,
        bound_high=fmean(highs) if highs else None,
        seed_std=None,
        sample_std=None,
        marks=";".join(marks),
    )
    if not means or len(means) < len(filled):
        return empty
    scored = _scored(samples)
    result = macro_estimate(
        [value for _, value in scored],
        [entry.category for entry, _ in scored],
        [sources[entry.id] for entry, _ in scored],
        scale.ends,
    )
    return replace(
        empty,
        mean=result.mean,
        standard_error=result.standard_error,
        ci95_low=result.low,
        ci95_high=result.high,
        std=pstdev(means),
        median=median(means),
        min=min(means),
        max=max(means),
    )
