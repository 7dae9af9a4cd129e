"""The report's breakdown: means by criterion, turn, difficulty, tag and language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edit_benchmark.dataset.samples import clusters
from edit_benchmark.judging.rubrics import Scale
from edit_benchmark.records import Sample
from edit_benchmark.report.grouping import by_model_and_judge
from edit_benchmark.report.inputs import configured
from edit_benchmark.report.per_sample import SampleScore
from edit_benchmark.report.rows import FEW_MARK, BreakdownRow
from edit_benchmark.report.scales import NO_SCALES, Scales
from edit_benchmark.stats.estimates import FEW, estimate

#: The value of samples without a difficulty or a tag.
NONE = "(none)"
_DIFFICULTIES = {"easy": 0, "medium": 1, "hard": 2}

# Dimension, category (of a criterion) and value, as in the rows.
_Cell = tuple[str, str, str]
_Points = list[tuple[SampleScore, float | None]]


def instruction_languages(run: Mapping[str, Any]) -> dict[str, str]:
    """Language of the instructions that each model was given, in this run and in merged ones."""
    languages: dict[str, str] = {}
    for record in [*(run.get("merged") or {}).values(), run]:
        config = record.get("config") or {}
        language = (config.get("benchmark") or {}).get("language")
        languages |= dict.fromkeys(config.get("models") or {}, language) if language else {}
    return languages


def breakdown_rows(
    samples: Sequence[Sample],
    scores: Iterable[SampleScore],
    languages: Mapping[str, str],
    scales: Scales = NO_SCALES,
) -> list[BreakdownRow]:
    """Means by criterion (of a category), turn of a chain, difficulty, tag and language, one row a
    model, judge and value.

    ``languages`` says in which language each model was given the instructions, as far as that is
    known.
    """
    by_id, images = {sample.id: sample for sample in samples}, clusters(samples)
    rows = []
    for (model, judge), group in by_model_and_judge(scores).items():
        parts = _cells(group, by_id, languages.get(configured(model)))
        for (dimension, category, value), points in sorted(parts.items(), key=_order):
            known = [(row, number) for row, number in points if number is not None]
            result = estimate(
                [number for _, number in known],
                [images[row.id] for row, _ in known],
                scales.get(judge, Scale()).ends,
            )
            rows.append(
                BreakdownRow(
                    model=model,
                    judge=judge,
                    dimension=dimension,
                    category=category,
                    value=value,
                    n=len(points),
                    scored=result.n,
                    mean=result.mean,
                    standard_error=result.standard_error,
                    ci95_low=result.low,
                    ci95_high=result.high,
                    marks=FEW_MARK if result.clusters < FEW else "",
                )
            )
    return rows


def by_dimension(rows: Iterable[BreakdownRow]) -> dict[str, list[BreakdownRow]]:
    """The rows of each dimension, but for one in which no sample has a value."""
    groups: dict[str, list[BreakdownRow]] = {}
    for row in rows:
        groups.setdefault(row.dimension, []).append(row)
    return {
        dimension: group
        for dimension, group in groups.items()
        if any(row.value != NONE for row in group)
    }


def _cells(
    scores: Sequence[SampleScore], by_id: Mapping[str, Sample], language: str | None
) -> dict[_Cell, _Points]:
    """The scores (of a criterion, its points) of one model and judge that each cell is made of."""
    cells: dict[_Cell, _Points] = {}
    for row in scores:
        sample = by_id[row.id]
        for criterion, points in row.criteria.items():
            cells.setdefault(("criterion", row.category, criterion), []).append((row, points))
        values = [("turn", "", str(sample.turn))] if sample.turn else []
        values.append(("difficulty", "", sample.difficulty or NONE))
        values += [("tag", "", tag) for tag in sample.tags or [NONE]]
        if language:
            values.append(("language", "", language))
        for value in values:
            cells.setdefault(value, []).append((row, row.score))
    return cells


def _order(item: tuple[_Cell, _Points]) -> tuple[int, int, int, str]:
    (dimension, _, value), points = item
    if dimension == "difficulty":
        return (1, _DIFFICULTIES.get(value, 3), 0, value)
    if dimension == "tag":  # the usual ones first
        return (2, 0, -len(points), value)
    if dimension == "language":
        return (3, 0, 0, value)
    if dimension == "turn":
        return (0, 1, int(value), "")
    return (0, 0, 0, "")  # criteria as the rubric has them
