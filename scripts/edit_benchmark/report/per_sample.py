"""Samples whose edits were repeated with other seeds: one row for each, the mean of its repeats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from edit_benchmark.records import SCORED, Score


@dataclass(frozen=True, slots=True)
class SampleScore:
    """One model, judge and sample, over all repeats of its edit.

    Attributes
    ----------
    status
        That of the first repeat, ``scored`` if any has a score.
    score
        The mean of the repeats that have one.
    criteria
        The score of each criterion, the mean of the repeats to which it applies.
    repeats
        Scores of the repeats that have one.
    missing
        The share of repeats that have none, 0 to 1.
    """

    model: str
    judge: str
    category: str
    id: str
    status: str
    score: float | None
    criteria: dict[str, float | None]
    repeats: tuple[float, ...] = ()
    missing: float = 0.0

    def ends(self, scale: tuple[float, float]) -> tuple[float, float]:
        """The lowest and the highest mean that all repeats could have had on ``scale``."""
        known = (1 - self.missing) * (self.score or 0.0)
        return known + self.missing * scale[0], known + self.missing * scale[1]


def per_sample(scores: Iterable[Score]) -> list[SampleScore]:
    """One row for each model, judge and sample, in the order of their first rows."""
    groups: dict[tuple[str, str, str], list[Score]] = {}
    for row in scores:
        groups.setdefault((row.model, row.judge, row.id), []).append(row)
    return [_sample(group) for group in groups.values()]


def _sample(rows: Sequence[Score]) -> SampleScore:
    first = min(rows, key=lambda row: row.repeat)
    known = [row for row in rows if row.score is not None]
    values = tuple(row.score for row in known if row.score is not None)
    return SampleScore(
        model=first.model,
        judge=first.judge,
        category=first.category,
        id=first.id,
        status=SCORED if known else first.status,
        score=fmean(values) if values else None,
        criteria=_criteria(known) if known else first.criteria,
        repeats=values,
        missing=1 - len(known) / len(rows),
    )


def _criteria(rows: Sequence[Score]) -> dict[str, float | None]:
    means: dict[str, float | None] = {}
    for name in dict.fromkeys(name for row in rows for name in row.criteria):
        values = [row.criteria.get(name) for row in rows]
        known = [value for value in values if value is not None]
        means[name] = fmean(known) if known else None
    return means
