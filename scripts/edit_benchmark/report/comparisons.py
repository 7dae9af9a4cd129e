"""The report's tables of models compared: pair by pair, and by their places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

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
from edit_benchmark.stats.estimates import FEW, Floats
from edit_benchmark.stats.ranks import ranks


@dataclass
class _Column:
    """One model's samples under one judge.

    Attributes
    ----------
    scores
        Of each sample of the benchmark, NaN without one, shape (samples,).
    applying
        Which criteria apply to each sample: their place among the sets that there are.
    ends
        The lowest and the highest score of samples with repeats of which some have none.
    """

    scores: Floats
    applying: NDArray[np.int32]
    ends: dict[str, tuple[float, float]]


class Compared:
    """The samples of all models under each judge, as columns: as rows they would fill gigabytes."""

    def __init__(self, samples: Sequence[Sample], scales: Scales = NO_SCALES) -> None:
        self.samples = samples
        self.scales = scales
        self._place = {sample.id: number for number, sample in enumerate(samples)}
        self._applying: dict[frozenset[str], int] = {}
        self.judges: dict[str, dict[str, _Column]] = {}

    def add(self, rows: Iterable[SampleScore]) -> Self:
        """Take more rows."""
        for row in rows:
            models = self.judges.setdefault(row.judge, {})
            if row.model not in models:
                size = len(self.samples)
                models[row.model] = _Column(np.full(size, np.nan), np.zeros(size, np.int32), {})
            column, place = models[row.model], self._place[row.id]
            if row.score is not None:
                column.scores[place] = row.score
            applying = frozenset(name for name, value in row.criteria.items() if value is not None)
            column.applying[place] = self._applying.setdefault(applying, len(self._applying))
            if 0 < row.missing < 1:
                scale = self.scales.get(row.judge, Scale())
                column.ends[row.id] = row.ends(scale.ends)
        return self

    def known(self, judge: str, sign: int = 1) -> dict[str, dict[str, float]]:
        """Model, sample id: score, times ``sign``."""
        return {
            model: {
                sample.id: sign * score
                for sample, score in zip(self.samples, column.scores.tolist(), strict=True)
                if score == score  # NaN is no score
            }
            for model, column in self.judges[judge].items()
        }


def comparison_rows(compared: Compared) -> list[ComparisonRow]:
    """Each two models under each judge: over all samples, the macro mean, and each category."""
    categories = {sample.id: sample.category for sample in compared.samples}
    sources = clusters(compared.samples)
    names = np.array(list(categories.values()), dtype=str)
    rows = []
    for judge, models in compared.judges.items():
        scale = compared.scales.get(judge, Scale())
        ends = {model: column.ends for model, column in models.items()}
        for pair in compare(
            compared.known(judge), categories, sources, MICRO, MACRO, scale.ends, ends
        ):
            if scale.is_lower_better:
                pair = replace(pair, wins=pair.losses, losses=pair.wins)
            differing = _other_criteria(models[pair.a], models[pair.b])
            if pair.category not in (MICRO, MACRO):
                differing = differing & (names == pair.category)
            rows.append(_comparison_row(judge, pair, int(differing.sum())))
    return rows


def rank_rows(compared: Compared) -> list[RankRow]:
    """The places of the models under each judge."""
    sources = clusters(compared.samples)
    signs = {judge: -1 if scale.is_lower_better else 1 for judge, scale in compared.scales.items()}
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
        for judge, models in compared.judges.items()
        if len(models) > 1
        for sign in [signs.get(judge, 1)]
        for row in ranks(compared.known(judge, sign), sources)
    ]


def _other_criteria(a: _Column, b: _Column) -> NDArray[np.bool_]:
    """Which samples are scored for both, by means over different criteria."""
    both = ~np.isnan(a.scores) & ~np.isnan(b.scores)
    return both & (a.applying != b.applying)


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
