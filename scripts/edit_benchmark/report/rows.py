"""Rows of the report's tables: one class a table, whose fields are the columns in their order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from edit_benchmark.report.pair_rows import BiasRow, PairRow, PreferenceRow, StrengthRow
from edit_benchmark.stats.comparison import SIZES

#: The two rows over all categories: all samples pooled, and the mean of the categories' means.
MICRO, MACRO = "overall (micro)", "overall (macro)"
#: A criterion that the judge found not to apply; pandas and R read it as missing.
NOT_APPLICABLE = "n/a"
#: Marks of a cell: its scored samples are of few source images; its scores are mostly one number;
#: its edits were made on several kinds of devices, which round in different ways.
FEW_MARK, EQUAL_MARK, DEVICES_MARK = "few_images", "equal_scores", "several_devices"
#: Mark of a comparison of samples to which other criteria apply for one model than for the other.
CRITERIA_MARK = "other_criteria"
#: In place of the settings of a job that did not record them.
NOT_RECORDED = "not recorded"
#: What a row of costs is of that holds all others.
RUN = "run"
#: Columns of :attr:`ComparisonRow.needed`, one for each size of a difference.
NEEDED = tuple(f"needed_{size}" for size in SIZES)


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One model, judge, sample and repeat of its edit, counted from 0.

    ``criteria`` has a value for each criterion of all rubrics: None where it is not of the
    category or there is no answer, :data:`NOT_APPLICABLE` where the judge found that it does not
    apply. ``not_applicable`` is the share (0 to 1) of criteria that do not apply, ``mass`` the mean
    probability (0 to 1) that the judge put on the scale's labels, where it is known. ``flags`` and
    ``tags`` are joined by semicolons.
    """

    model: str
    judge: str
    category: str
    category_zh: str
    id: str
    repeat: int
    status: str
    reason: str
    score: float | None
    criteria: Mapping[str, float | str | None]
    not_applicable: float | None
    mass: float | None
    flags: str
    difficulty: str
    tags: str
    seed: int
    key: str
    answer_key: str
    edit_seconds: float | None
    judge_seconds: float | None
    source_sha256: str


@dataclass(frozen=True)
class SummaryRow:
    """One model, judge and category, or :data:`MICRO` or :data:`MACRO` in the category's place.

    What does not exist is None, never 0. The statistics of the macro row are those of the
    categories' means. Where a model's edits are repeated with other seeds, a sample's score is the
    mean of its repeats that have one: statistics are of these, and the interval holds both what
    varies between samples and what varies between seeds.

    Attributes
    ----------
    n
        Samples; ``scored`` to ``skipped`` are how many of them ended as that.
    coverage
        ``scored / n``.
    mean, standard_error, ci95_low, ci95_high
        Mean of the scores, its error and its 95 % interval.
    std
        Standard deviation of the population.
    bound_low, bound_high
        The mean if every sample without a score had the lowest, or the highest score.
    repeats, repeats_missing
        The most edits of a sample, and edits without a score of samples that have one.
    seed_std, sample_std
        Standard deviations between the repeats of a sample, and between samples once that is taken
        off, see :func:`~edit_benchmark.stats.components.components`; None without repeats.
    extreme
        ``best`` or ``worst`` among the categories, else empty.
    marks
        :data:`FEW_MARK`, :data:`EQUAL_MARK` and :data:`DEVICES_MARK` where they apply, joined by
        semicolons.
    """

    model: str
    judge: str
    category: str
    n: int
    scored: int
    edit_failed: int
    judge_failed: int
    skipped: int
    coverage: float | None
    mean: float | None
    standard_error: float | None
    ci95_low: float | None
    ci95_high: float | None
    std: float | None
    median: float | None
    min: float | None
    max: float | None
    bound_low: float | None
    bound_high: float | None
    repeats: int
    repeats_missing: int
    seed_std: float | None
    sample_std: float | None
    extreme: str
    marks: str


@dataclass(frozen=True)
class BreakdownRow:
    """One model, judge and value of a dimension: a criterion, turn, difficulty, tag or language.

    ``category`` is empty except for a criterion. ``n`` counts the samples of the value, ``scored``
    those behind the mean.
    """

    model: str
    judge: str
    dimension: str
    category: str
    value: str
    n: int
    scored: int
    mean: float | None
    standard_error: float | None
    ci95_low: float | None
    ci95_high: float | None
    marks: str


@dataclass(frozen=True)
class ComparisonRow:
    """Models ``a`` and ``b`` under one judge: see :class:`~edit_benchmark.stats.comparison.Paired`.

    ``needed`` has the number of samples under each name of :data:`NEEDED`. ``other_criteria``
    counts the samples, of the n, whose two scores are means over different criteria, because the
    judge found that others apply; any of them is marked.
    """

    judge: str
    a: str
    b: str
    category: str
    n: int
    source_images: int
    left_out: int
    difference: float | None
    standard_error: float | None
    ci95_low: float | None
    ci95_high: float | None
    bound_low: float | None
    bound_high: float | None
    p: float | None
    p_holm: float | None
    wins: int
    ties: int
    losses: int
    effect_size: float | None
    needed: Mapping[str, int | None]
    other_criteria: int
    marks: str


@dataclass(frozen=True)
class RankRow:
    """A model's place under one judge: see :class:`~edit_benchmark.stats.ranks.Rank`."""

    judge: str
    model: str
    n: int
    rank: int | None
    ci95_low: int | None
    ci95_high: int | None
    mean: float | None


@dataclass(frozen=True)
class AgreementRow:
    """Two raters on one model's edits: see :class:`~edit_benchmark.stats.agreement.Agreement`.

    ``raters`` counts judges and people behind the row. Where ``a`` and ``b`` are both people, it is
    all of them, and there is only alpha.
    """

    model: str
    a: str
    b: str
    raters: int
    n: int
    images: int
    difference: float | None
    spearman: float | None
    spearman_low: float | None
    spearman_high: float | None
    kendall: float | None
    kendall_low: float | None
    kendall_high: float | None
    kappa: float | None
    kappa_low: float | None
    kappa_high: float | None
    alpha: float | None
    alpha_low: float | None
    alpha_high: float | None


@dataclass(frozen=True)
class FailureRow:
    """Samples of which at least one repeat has no score, for one reason.

    A sample itself has a score if another repeat has one. ``judge`` is empty where it has no part
    in it; ``ids`` are the samples.
    """

    model: str
    judge: str
    status: str
    reason: str
    count: int
    ids: tuple[str, ...]


@dataclass(frozen=True)
class TimingRow:
    """One model or judge under the same settings on one kind of GPU, over its jobs of one kind.

    Attributes
    ----------
    kind
        ``edit``, ``score`` or ``selftest``.
    settings
        What tells it from the other rows of that name, such as ``seed=1``; :data:`NOT_RECORDED` of
        jobs of earlier versions, which may have had several settings.
    images, failed
        What the jobs made, and what they tried in vain; None of jobs of earlier versions, which
        counted both as images.
    load_seconds, compile_seconds
        Means a job.
    seconds_per_image
        The time after loading, without that of what failed; None without an image.
    idle
        Share of the time from the beginning of loading in which the GPU had no kernel running;
        None on a CPU.
    peak_gib
        The largest of any job; None if none recorded it.
    stages
        Seconds an image of each stage, as ``<stage>_seconds``; None for a stage of other jobs.
    """

    kind: str
    name: str
    settings: str
    gpu: str
    jobs: int
    images: int
    failed: int | None
    load_seconds: float
    compile_seconds: float
    seconds_per_image: float | None
    idle: float | None
    peak_gib: float | None
    stages: Mapping[str, float | None]


@dataclass(frozen=True)
class CostRow:
    """What one model or judge asked its server, over all jobs of the results folder.

    Attributes
    ----------
    kind
        ``edit`` or ``score``, the latter with the self-tests; :data:`RUN` of all together.
    model
        As the server was asked for it.
    requests
        Those whose tokens the server counted.
    not_counted
        Those of which it is not known: their job was killed, or the server counts no tokens.
    image_tokens
        The part of ``input_tokens`` that images were, where the server tells.
    cost
        Of the requests that were counted, at the prices of the configuration; None without them.
    cost_at_most
        With the most that the others may have cost.
    """

    kind: str
    name: str
    model: str
    requests: int
    not_counted: int
    input_tokens: int
    image_tokens: int
    output_tokens: int
    cost: float | None
    cost_at_most: float | None


@dataclass(frozen=True)
class OfficialRow:
    """One value of a benchmark's official tables; ``row`` is that of the table, without model."""

    judge: str
    table: str
    model: str
    row: str
    column: str
    value: float | None


@dataclass(frozen=True)
class PeopleRow:
    """How often a judge finds better what people find better.

    Attributes
    ----------
    scope
        Part of the benchmark, or dimension; ``all`` of them together.
    unit
        What is right or not: a ``comparison``, or a ``group`` of which all comparisons have to be.
    n, source_images, left_out
        Units with all answers, their source images, and units without.
    ties
        Comparisons that count in which the judge finds neither better.
    accuracy
        Percent of ``n``, with its interval over source images.
    """

    judge: str
    scope: str
    unit: str
    n: int
    source_images: int
    left_out: int
    ties: int
    accuracy: float | None
    ci95_low: float | None
    ci95_high: float | None


Row = (
    PeopleRow
    | ScoreRow
    | SummaryRow
    | BreakdownRow
    | ComparisonRow
    | RankRow
    | AgreementRow
    | FailureRow
    | TimingRow
    | CostRow
    | OfficialRow
    | PreferenceRow
    | PairRow
    | StrengthRow
    | BiasRow
)


def columns(kind: type[Row], **several: Iterable[str]) -> list[str]:
    """The columns of a table of ``kind``: its fields.

    A field that holds a mapping has a column for each key; ``several`` gives its keys.
    """
    names = (name for field in fields(kind) for name in several.get(field.name, [field.name]))
    return list(dict.fromkeys(names))  # a criterion may have the name of a column


def cells(row: Row) -> dict[str, Any]:
    """The values of a row by column."""
    values: dict[str, Any] = {}
    for field in fields(row):
        value = getattr(row, field.name)
        values |= value if isinstance(value, Mapping) else {field.name: value}
    return values
