"""The report's tables of models compared: pair by pair, and by their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from edit_benchmark.dataset.samples import clusters
from edit_benchmark.judging.rubrics import Scale
from edit_benchmark.records import Sample
from edit_benchmark.report.per_sample import SampleScore
from edit_benchmark.report.rows import (
    CRITERIA_MARK,
    FEW_MARK,
    MACRO,
    MICRO,
    NEEDED,
    ComparisonRow,
    RankRow,
)
from edit_benchmark.report.scales import NO_SCALES, Scales
from edit_benchmark.stats.comparison import Paired, compare
from edit_benchmark.stats.estimates import FEW
from edit_benchmark.stats.ranks import ranks

# Model, sample id: its row.
_Rows = Mapping[str, Mapping[str, SampleScore]]


def comparison_rows(
    samples: Sequence[Sample], scores: Sequence[SampleScore], scales: Scales = NO_SCALES
) -> list[ComparisonRow]:
    """Each two models under each judge: over all samples, the macro mean, and each category."""
    categories = {sample.id: sample.category for sample in samples}
    sources = clusters(samples)
    rows = []
    for judge, models in _by_model(scores).items():
        scale = scales.get(judge, Scale())
        ends = {
            model: {key: row.ends(scale.ends) for key, row in entries.items()}
            for model, entries in models.items()
        }
        for pair in compare(_known(models), categories, sources, MICRO, MACRO, scale.ends, ends):
            if scale.is_lower_better:
                pair = replace(pair, wins=pair.losses, losses=pair.wins)
            scope = [
                key
                for key, category in categories.items()
                if pair.category in (category, MICRO, MACRO)
            ]
            rows.append(_comparison_row(judge, pair, _other_criteria(models, pair, scope)))
    return rows


def rank_rows(
    samples: Sequence[Sample], scores: Sequence[SampleScore], scales: Scales = NO_SCALES
) -> list[RankRow]:
    """The places of the models under each judge."""
    sources = clusters(samples)
    signs = {judge: -1 if scale.is_lower_better else 1 for judge, scale in scales.items()}
    return [
        RankRow(
            judge=judge,
            model=row.model,
            n=row.n,
            rank=row.rank,
            ci95_low=row.low,
            ci95_high=row.high,
            mean=None if row.mean is None else sign * row.mean,
        )
        for judge, models in _by_model(scores).items()
        if len(models) > 1
        for sign in [signs.get(judge, 1)]
        for row in ranks(_known(models, sign), sources)
    ]


def _by_model(scores: Sequence[SampleScore]) -> dict[str, dict[str, dict[str, SampleScore]]]:
    """Judge, model, sample id: its row."""
    table: dict[str, dict[str, dict[str, SampleScore]]] = {}
    for row in scores:
        table.setdefault(row.judge, {}).setdefault(row.model, {})[row.id] = row
    return table


def _known(models: _Rows, sign: int = 1) -> dict[str, dict[str, float]]:
    """Model, sample id: score, times ``sign``."""
    return {
        model: {key: sign * row.score for key, row in rows.items() if row.score is not None}
        for model, rows in models.items()
    }


def _other_criteria(models: _Rows, pair: Paired, scope: Sequence[str]) -> int:
    """Samples scored for both whose scores are means over different criteria."""
    a, b = models[pair.a], models[pair.b]
    both = (
        (a[key], b[key])
        for key in scope
        if key in a and key in b and None not in (a[key].score, b[key].score)
    )
    return sum(_applying(one) != _applying(other) for one, other in both)


def _applying(row: SampleScore) -> set[str]:
    return {name for name, value in row.criteria.items() if value is not None}


def _comparison_row(judge: str, pair: Paired, other_criteria: int) -> ComparisonRow:
    marks = [FEW_MARK] if pair.images < FEW else []
    if other_criteria:
        marks.append(CRITERIA_MARK)
    return ComparisonRow(
        judge=judge,
        a=pair.a,
        b=pair.b,
        category=pair.category,
        n=pair.n,
        source_images=pair.images,
        left_out=pair.left_out,
        difference=pair.difference,
        standard_error=pair.standard_error,
        ci95_low=pair.low,
        ci95_high=pair.high,
        bound_low=pair.bound_low,
        bound_high=pair.bound_high,
        p=pair.p,
        p_holm=pair.p_holm,
        wins=pair.wins,
        ties=pair.ties,
        losses=pair.losses,
        effect_size=pair.effect_size,
        needed=dict(zip(NEEDED, pair.needed, strict=True)),
        other_criteria=other_criteria,
        marks=";".join(marks),
    )
